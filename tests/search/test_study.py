"""A study: one budget over calls and processes, no settings twice, no trial lost to a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from growthlab.core.errors import ConfigError
from growthlab.search import study as study_module
from growthlab.search.search_space import CategoricalRange, NumericRange, SearchSpace, settings_key
from growthlab.search.study import Budget, Pruning, RunningTrial, Study
from growthlab.search.study_store import StudyStore
from growthlab.search.trial import TrialPruned, TrialResult
from growthlab.tracking.process_identity import this_process

CONTINUOUS = SearchSpace(
    {"lr": NumericRange(1e-4, 1.0, log=True), "width": CategoricalRange((8, 16, 32))},
    {"lr": 0.1, "width": 16},
)
FINITE = SearchSpace(
    {"width": CategoricalRange((8, 16)), "depth": NumericRange(1, 2, step=1)},
    {"width": 16, "depth": 1},
)

ASK_AND_DIE = """
import os, signal, sys
from pathlib import Path
from growthlab.search.search_space import CategoricalRange, NumericRange, SearchSpace
from growthlab.search.study import Budget, Study
from growthlab.search.study_store import StudyStore
ranges = {"lr": NumericRange(1e-4, 1.0, log=True), "width": CategoricalRange((8, 16, 32))}
space = SearchSpace(ranges, {"lr": 0.1, "width": 16})
study = Study(StudyStore(None, Path(sys.argv[1])), "s", space, {}, [True], Budget(4))
print(study.ask().number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def open_study(tmp_path: Path) -> Callable[..., Study]:
    """The study ``s`` in a journal, opened again at each call as another process would."""

    def opened(space: SearchSpace = CONTINUOUS, **settings: Any) -> Study:
        store = StudyStore(None, tmp_path / "studies.journal")
        arguments = {"fixed_settings": {}, "maximise": [True], "budget": Budget(6)}
        return Study(store, "s", space, **(arguments | settings))

    return opened


def score(trial: RunningTrial) -> float:
    """An objective that is best near lr 0.01 and for the larger width."""
    lr, width = trial.overrides.get("lr", 0.1), trial.overrides.get("width", 16)
    return -abs(lr - 0.01) + width / 100


def finish(study: Study, n: int | None = None) -> list[dict[str, Any]]:
    """Run `n` trials, or all that the study wants, and return their settings."""
    tried = []
    while (n is None or len(tried) < n) and (trial := study.ask()) is not None:
        study.tell(trial, TrialResult("complete", (score(trial),)))
        tried.append(dict(trial.overrides))
    return tried


def kill_during_a_trial(journal: Path) -> None:
    """Start a process that is killed while it runs a trial."""
    command = [sys.executable, "-c", ASK_AND_DIE, str(journal)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_the_models_own_settings_come_first(open_study: Callable[..., Study]) -> None:
    assert finish(open_study(), 1) == [{"lr": 0.1, "width": 16}]


def test_own_settings_outside_the_space_come_first_unchanged(
    open_study: Callable[..., Study],
) -> None:
    study = open_study(SearchSpace({"lr": NumericRange(0.5, 1.0)}, {"lr": 0.1}))
    first, *others = finish(study)
    assert first == {}
    assert len(others) == 5
    assert all(0.5 <= o["lr"] <= 1 for o in others)


def test_no_settings_are_tried_twice_and_a_finite_space_ends(
    open_study: Callable[..., Study],
) -> None:
    study = open_study(FINITE, budget=Budget(50))
    tried = finish(study)
    assert len(tried) == len({settings_key(t) for t in tried}) == 4  # 2 widths x 2 depths
    assert study.stop_reason == "all 4 settings of the space are tried"


def test_a_search_in_several_calls_proposes_the_same_as_in_one(
    open_study: Callable[..., Study], tmp_path: Path
) -> None:
    parts = finish(open_study(), 2) + finish(open_study(), 3) + finish(open_study())
    whole = Study(
        StudyStore(None, tmp_path / "other.journal"), "s", CONTINUOUS, {}, [True], Budget(6)
    )
    assert parts == finish(whole)
    assert whole.stop_reason == "all 6 trials are used"


def test_all_processes_share_one_budget(open_study: Callable[..., Study]) -> None:
    one, other = open_study(), open_study()
    tried = []
    while (trial := one.ask()) is not None:
        tried.append(trial)
        one.tell(trial, TrialResult("complete", (score(trial),)))
        if (trial := other.ask()) is not None:
            tried.append(trial)
            other.tell(trial, TrialResult("failed", why="a crash"))
    assert [t.number for t in tried] == list(range(6))
    assert [t.result.state for t in one.finished()].count("failed") == 3


def test_a_trial_of_a_killed_process_is_tried_again_and_does_not_count(
    open_study: Callable[..., Study], tmp_path: Path
) -> None:
    kill_during_a_trial(tmp_path / "studies.journal")
    study = open_study(budget=Budget(4))
    assert not study.running()
    tried = finish(study)
    assert tried[0] == {"lr": 0.1, "width": 16}  # the default, whose first trial was killed
    assert len(tried) == study.n_used() == 4
    assert [t.result.state for t in study.finished()] == ["complete"] * 4


def test_a_trial_that_kills_its_process_three_times_has_failed(
    open_study: Callable[..., Study], tmp_path: Path
) -> None:
    for _ in range(3):
        kill_during_a_trial(tmp_path / "studies.journal")
    study = open_study(budget=Budget(4))
    assert len(finish(study)) == 3
    failed = study.finished()[0]
    assert failed.result.state == "failed"
    assert failed.result.why == "its process was killed, perhaps for lack of memory"


def test_an_interrupted_trial_is_tried_again(open_study: Callable[..., Study]) -> None:
    study = open_study()
    finish(study, 2)
    trial = study.ask()
    assert trial is not None
    study.tell(trial, TrialResult("interrupted"))
    again = study.ask()
    assert again is not None
    assert again.overrides == trial.overrides
    assert study.n_used() == 3


def test_the_trial_of_a_killed_worker_has_failed(open_study: Callable[..., Study]) -> None:
    study = open_study()
    assert study.ask() is not None
    assert study.fail(this_process(), "killed by SIGKILL") == 1
    assert [(t.result.state, t.result.why) for t in study.finished()] == [
        ("failed", "killed by SIGKILL")
    ]
    assert study.fail(this_process(), "killed by SIGKILL") == 0


def test_minutes_add_up_over_calls_and_idle_time_is_free(
    open_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(study_module.CLOCK, "seconds", lambda: now)
    study = open_study(budget=Budget(50, minutes=2))
    trial = study.ask()
    assert trial is not None
    now += 70
    assert trial.report(1, 0.5) is False
    study.tell(trial, TrialResult("complete", (0.5,)))
    now += 86_400  # a day passes
    study = open_study(budget=Budget(50, minutes=2))
    assert study.seconds_used() == 70
    trial = study.ask()
    assert trial is not None
    now += 40
    assert trial.report(1, 0.5) is False  # 110 s
    now += 10
    assert trial.report(2, 0.5) is True  # 120 s
    study.tell(trial, TrialResult("complete", (0.5,)))
    assert study.ask() is None
    assert study.stop_reason == "all 2 minutes are used"


def test_a_poor_trial_is_pruned_and_a_good_one_is_not(open_study: Callable[..., Study]) -> None:
    study = open_study(budget=Budget(12), pruning=Pruning(trials=4, epochs=2))
    assert [last_epoch(study, level) for level in (0.5, 0.1, 0.6, 0.55)] == [6, 6, 6, 6]
    assert last_epoch(study, 0.2) == 3  # the first epoch that may be pruned
    assert last_epoch(study, 0.9) == 6
    assert [t.result.state for t in study.finished()].count("pruned") == 1


def last_epoch(study: Study, level: float) -> int:
    """The epoch, of six, at which a trial that climbs to `level` ends."""
    trial = study.ask()
    assert trial is not None
    for epoch in range(1, 7):
        try:
            trial.report(epoch, level * epoch / 6)
        except TrialPruned:
            study.tell(trial, TrialResult("pruned", epochs=epoch))
            return epoch
    study.tell(trial, TrialResult("complete", (level,)))
    return 6


def test_the_first_trials_are_never_pruned_even_if_they_finish_last(
    open_study: Callable[..., Study],
) -> None:
    study = open_study(budget=Budget(12), pruning=Pruning(trials=4, epochs=0))
    late = open_study(budget=Budget(12), pruning=Pruning(trials=4, epochs=0))
    trial = late.ask()
    assert trial is not None
    for trial_id in list(late._heartbeats):  # for `study` it is a running trial
        study._heartbeats[trial_id] = late._heartbeats[trial_id]
    for level in (0.5, 0.6, 0.7, 0.8, 0.9):
        last_epoch(study, level)
    assert [trial.report(epoch, 0.01) for epoch in range(1, 7)] == [False] * 6


def test_without_pruning_nothing_is_pruned(open_study: Callable[..., Study]) -> None:
    study = open_study(budget=Budget(12))
    assert [last_epoch(study, level) for level in (0.5, 0.6, 0.7, 0.8, 0.9, 0.01)] == [6] * 6


def test_several_objectives_give_a_pareto_front_and_no_pruning(
    open_study: Callable[..., Study],
) -> None:
    study = open_study(maximise=[True, False], pruning=Pruning(0, 0))
    values = [(0.5, 10.0), (0.6, 20.0), (0.4, 30.0), (0.7, 5.0), (0.8, 6.0), (0.8, 7.0)]
    for pair in values:
        trial = study.ask()
        assert trial is not None
        assert trial.report(1, 0.0) is False
        study.tell(trial, TrialResult("complete", pair))
    # (0.7, 5) and (0.8, 6) are better than each of the others in both
    assert [t.number for t in study.pareto_front()] == [3, 4]


def test_a_study_begun_with_other_settings_is_refused(open_study: Callable[..., Study]) -> None:
    open_study(fixed_settings={"data": "shop 1", "seed": "0"})
    line = r"study=s was begun with data=shop 1, and now it is shop 2: give study=NAME"
    with pytest.raises(ConfigError, match=line):
        open_study(fixed_settings={"data": "shop 2", "seed": "0"})
    with pytest.raises(ConfigError, match=r"begun with search\.lr=nothing"):
        open_study(fixed_settings={"data": "shop 1", "seed": "0", "search.lr": "choice(1)"})


def test_a_half_written_last_line_is_removed(
    open_study: Callable[..., Study], tmp_path: Path
) -> None:
    finish(open_study(), 2)
    with (tmp_path / "studies.journal").open("ab") as journal:
        journal.write(b'{"op_code": 5, "worker')
    study = open_study()
    assert len(study.finished()) == 2
    finish(study)
    assert len(open_study().finished()) == 6


@pytest.mark.parametrize("url", ["mysql://localhost/x", "studies.db", "postgresql://localhost/x"])
def test_other_kinds_of_databases_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"possible are sqlite:///FILE and postgresql\+psycopg"):
        StudyStore(url, tmp_path / "journal")


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("a letter to a friend, long enough to be looked at" * 9)
    store = StudyStore(f"sqlite:///{tmp_path}/letter.db", tmp_path / "journal")
    with pytest.raises(ConfigError, match=r"storage sqlite:.*cannot be opened: file is not a data"):
        _ = store.storage


def test_the_password_is_not_shown() -> None:
    store = StudyStore("postgresql+psycopg://me:secret@host:5432/studies", Path("journal"))
    assert store.safe_url == "postgresql+psycopg://me:***@host:5432/studies"
