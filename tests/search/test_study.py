"""A study: its budget holds over calls and processes, nothing runs twice, nothing is lost to a kill."""

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
from growthlab.search.search_space import CategoricalRange, NumericRange, Space, key_of
from growthlab.search.study import Attempt, Budget, Pruning, Study
from growthlab.search.study_store import StudyStore
from growthlab.search.trial import Pruned, Result
from growthlab.tracking.process_identity import this_process

OPEN = Space(
    {"lr": NumericRange(1e-4, 1.0, log=True), "width": CategoricalRange((8, 16, 32))},
    {"lr": 0.1, "width": 16},
)
CLOSED = Space(
    {"width": CategoricalRange((8, 16)), "depth": NumericRange(1, 2, step=1)},
    {"width": 16, "depth": 1},
)

ASK_AND_DIE = """
import os, signal, sys
from pathlib import Path
from growthlab.search.search_space import CategoricalRange, Space, NumericRange
from growthlab.search.study import Budget, Study
from growthlab.search.study_store import StudyStore
ranges = {"lr": NumericRange(1e-4, 1.0, log=True), "width": CategoricalRange((8, 16, 32))}
space = Space(ranges, {"lr": 0.1, "width": 16})
study = Study(StudyStore(None, Path(sys.argv[1])), "s", space, {}, [True], Budget(4))
print(study.ask().number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Study]:
    """The study ``s`` in a journal, opened again at each call as another process would."""

    def opened(space: Space = OPEN, **more: Any) -> Study:
        store = StudyStore(None, tmp_path / "studies.journal")
        given = {"question": {}, "maximise": [True], "budget": Budget(6), **more}
        return Study(store, "s", space, **given)

    return opened


def score(trial: Attempt) -> float:
    """Some objective, best near lr 0.01 and with the larger width."""
    lr, width = trial.overrides.get("lr", 0.1), trial.overrides.get("width", 16)
    return -abs(lr - 0.01) + width / 100


def finish(study: Study, n: int | None = None) -> list[dict[str, Any]]:
    """Try `n` settings, or all that the study wants."""
    tried = []
    while (n is None or len(tried) < n) and (trial := study.ask()) is not None:
        study.tell(trial, Result("complete", (score(trial),)))
        tried.append(dict(trial.overrides))
    return tried


def killed_at_work(journal: Path) -> None:
    """A process that was killed while it worked on a trial."""
    command = [sys.executable, "-c", ASK_AND_DIE, str(journal)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_the_models_own_settings_come_first(make: Callable[..., Study]) -> None:
    assert finish(make(), 1) == [{"lr": 0.1, "width": 16}]


def test_own_settings_outside_of_the_space_come_first_as_they_are(
    make: Callable[..., Study],
) -> None:
    study = make(Space({"lr": NumericRange(0.5, 1.0)}, {"lr": 0.1}))
    first, *others = finish(study)
    assert first == {}
    assert len(others) == 5
    assert all(0.5 <= o["lr"] <= 1 for o in others)


def test_nothing_is_tried_twice_and_a_closed_space_comes_to_its_end(
    make: Callable[..., Study],
) -> None:
    study = make(CLOSED, budget=Budget(50))
    tried = finish(study)
    assert len(tried) == len({key_of(t) for t in tried}) == 4  # 2 widths x 2 depths
    assert study.ending == "all 4 settings of the space are tried"


def test_a_search_in_parts_proposes_what_it_would_have_in_one_go(
    make: Callable[..., Study], tmp_path: Path
) -> None:
    parts = finish(make(), 2) + finish(make(), 3) + finish(make())
    whole = Study(StudyStore(None, tmp_path / "other.journal"), "s", OPEN, {}, [True], Budget(6))
    assert parts == finish(whole)
    assert whole.ending == "all 6 trials are used"


def test_the_budget_is_of_all_processes_together(make: Callable[..., Study]) -> None:
    one, other = make(), make()
    tried = []
    while (trial := one.ask()) is not None:
        tried.append(trial)
        one.tell(trial, Result("complete", (score(trial),)))
        if (trial := other.ask()) is not None:
            tried.append(trial)
            other.tell(trial, Result("failed", why="a crash"))
    assert [t.number for t in tried] == list(range(6))
    assert [t.result.state for t in one.finished()].count("failed") == 3


def test_a_trial_of_a_killed_process_is_tried_again_and_does_not_count(
    make: Callable[..., Study], tmp_path: Path
) -> None:
    killed_at_work(tmp_path / "studies.journal")
    study = make(budget=Budget(4))
    assert not study.running()
    tried = finish(study)
    assert tried[0] == {"lr": 0.1, "width": 16}  # the default, which had been cut off
    assert len(tried) == study.n_used() == 4
    assert [t.result.state for t in study.finished()] == ["complete"] * 4


def test_a_trial_that_kills_its_process_three_times_has_failed(
    make: Callable[..., Study], tmp_path: Path
) -> None:
    for _ in range(3):
        killed_at_work(tmp_path / "studies.journal")
    study = make(budget=Budget(4))
    assert len(finish(study)) == 3
    failed = study.finished()[0]
    assert failed.result.state == "failed"
    assert failed.result.why == "its process was killed, perhaps for lack of memory"


def test_an_interrupted_trial_is_tried_again(make: Callable[..., Study]) -> None:
    study = make()
    finish(study, 2)
    trial = study.ask()
    assert trial is not None
    study.tell(trial, Result("interrupted"))
    again = study.ask()
    assert again is not None
    assert again.overrides == trial.overrides
    assert study.n_used() == 3


def test_a_worker_that_was_killed_has_failed_its_trial(make: Callable[..., Study]) -> None:
    study = make()
    assert study.ask() is not None
    assert study.fail(this_process(), "killed by SIGKILL") == 1
    assert [(t.result.state, t.result.why) for t in study.finished()] == [
        ("failed", "killed by SIGKILL")
    ]
    assert study.fail(this_process(), "killed by SIGKILL") == 0


def test_minutes_are_remembered_and_idle_ones_are_free(
    make: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(study_module.time, "time", lambda: now)
    study = make(budget=Budget(50, minutes=2))
    trial = study.ask()
    assert trial is not None
    now += 70
    assert trial.report(1, 0.5) is False
    study.tell(trial, Result("complete", (0.5,)))
    now += 86_400  # a day passes
    study = make(budget=Budget(50, minutes=2))
    assert study.seconds_used() == 70
    trial = study.ask()
    assert trial is not None
    now += 40
    assert trial.report(1, 0.5) is False  # 110 s
    now += 10
    assert trial.report(2, 0.5) is True  # 120 s
    study.tell(trial, Result("complete", (0.5,)))
    assert study.ask() is None
    assert study.ending == "all 2 minutes are used"


def test_a_hopeless_trial_is_pruned_and_a_good_one_is_not(make: Callable[..., Study]) -> None:
    study = make(budget=Budget(12), pruning=Pruning(trials=4, epochs=2))
    assert [ended_at(study, level) for level in (0.5, 0.1, 0.6, 0.55)] == [6, 6, 6, 6]
    assert ended_at(study, 0.2) == 3  # the first after the epochs that are never pruned
    assert ended_at(study, 0.9) == 6
    assert [t.result.state for t in study.finished()].count("pruned") == 1


def ended_at(study: Study, level: float) -> int:
    """The epoch at which a trial of that level ends, of six."""
    trial = study.ask()
    assert trial is not None
    for epoch in range(1, 7):
        try:
            trial.report(epoch, level * epoch / 6)
        except Pruned:
            study.tell(trial, Result("pruned", epochs=epoch))
            return epoch
    study.tell(trial, Result("complete", (level,)))
    return 6


def test_the_first_trials_are_never_pruned_however_late_they_are(
    make: Callable[..., Study],
) -> None:
    study = make(budget=Budget(12), pruning=Pruning(trials=4, epochs=0))
    late = make(budget=Budget(12), pruning=Pruning(trials=4, epochs=0))
    trial = late.ask()
    assert trial is not None
    for trial_id in list(late._working):  # another process works on it, as far as `study` knows
        study._working[trial_id] = late._working[trial_id]
    for level in (0.5, 0.6, 0.7, 0.8, 0.9):
        ended_at(study, level)
    assert [trial.report(epoch, 0.01) for epoch in range(1, 7)] == [False] * 6


def test_without_pruning_nothing_is_pruned(make: Callable[..., Study]) -> None:
    study = make(budget=Budget(12))
    assert [ended_at(study, level) for level in (0.5, 0.6, 0.7, 0.8, 0.9, 0.01)] == [6] * 6


def test_several_objectives_have_a_front_and_no_pruning(make: Callable[..., Study]) -> None:
    study = make(maximise=[True, False], pruning=Pruning(0, 0))
    values = [(0.5, 10.0), (0.6, 20.0), (0.4, 30.0), (0.7, 5.0), (0.8, 6.0), (0.8, 7.0)]
    for pair in values:
        trial = study.ask()
        assert trial is not None
        assert trial.report(1, 0.0) is False
        study.tell(trial, Result("complete", pair))
    # (0.7, 5) and (0.8, 6) are better than each of the others in both
    assert [t.number for t in study.pareto_front()] == [3, 4]


def test_a_study_of_another_question_is_refused(make: Callable[..., Study]) -> None:
    make(question={"data": "shop 1", "seed": "0"})
    line = r"study=s was begun with data=shop 1, and now it is shop 2: give study=NAME"
    with pytest.raises(ConfigError, match=line):
        make(question={"data": "shop 2", "seed": "0"})
    with pytest.raises(ConfigError, match=r"begun with search\.lr=nothing"):
        make(question={"data": "shop 1", "seed": "0", "search.lr": "choice(1)"})


def test_a_line_that_a_crash_left_half_written_is_cut_off(
    make: Callable[..., Study], tmp_path: Path
) -> None:
    finish(make(), 2)
    with (tmp_path / "studies.journal").open("ab") as journal:
        journal.write(b'{"op_code": 5, "worker')
    study = make()
    assert len(study.finished()) == 2
    finish(study)
    assert len(make().finished()) == 6


@pytest.mark.parametrize("url", ["mysql://localhost/x", "studies.db", "postgresql://localhost/x"])
def test_a_store_of_another_kind_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"possible are sqlite:///FILE and postgresql\+psycopg"):
        StudyStore(url, tmp_path / "journal")


def test_a_file_that_is_no_store_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("a letter to a friend, long enough to be looked at" * 9)
    store = StudyStore(f"sqlite:///{tmp_path}/letter.db", tmp_path / "journal")
    with pytest.raises(ConfigError, match=r"storage sqlite:.*cannot be opened: file is not a data"):
        _ = store.storage


def test_a_password_is_not_shown() -> None:
    store = StudyStore("postgresql+psycopg://me:secret@host:5432/studies", Path("journal"))
    assert store.shown == "postgresql+psycopg://me:***@host:5432/studies"
