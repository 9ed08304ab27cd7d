"""Commands killed at any moment and run again: nothing is lost, partial or done twice."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from growthlab.bundle.bundle import Bundle
from growthlab.data.event_log import EventLog

pytestmark = pytest.mark.drill

Words = tuple[str, ...]
Desk = Any  # of conftest.py
N_KILLS = 10
N_STORES = 6
ENTRIES = {"popularity seed 0", "item_knn seed 0", "gru4rec seed 0"}


@pytest.fixture(scope="session")
def compare(shop_words: Words) -> Words:
    """A comparison of two simple models and a network, in a few seconds."""
    models = ("models=[popularity,item_knn,gru4rec]", "model.trainer.epochs=6")
    return ("compare", "task=top_n", "metrics=[ranking/ndcg]", *models, *shop_words)


@pytest.fixture(scope="module")
def uninterrupted(
    compare: Words, tmp_path_factory: pytest.TempPathFactory, new_desk: Callable[[Path], Desk]
) -> Desk:
    """A folder with an uninterrupted comparison; `seconds` is its duration."""
    desk = new_desk(tmp_path_factory.mktemp("uninterrupted"))
    desk.seconds = desk.seconds_of(*compare)
    return desk


def moments(longest: float, n: int, seed: int = 0) -> Iterator[float]:
    """`n` random times during a command's work, the same in each call."""
    rng = random.Random(seed)
    yield from (rng.uniform(0, longest) for _ in range(n))


def test_a_killed_comparison_continues_and_ends_like_an_uninterrupted_one(
    compare: Words, uninterrupted: Desk, tmp_path: Path, new_desk: Callable[[Path], Desk]
) -> None:
    expected = uninterrupted.metrics()
    assert set(expected) == ENTRIES
    n_rounds, left = 0, list(moments(0.6 * uninterrupted.seconds, N_KILLS))
    while left:
        n_rounds += 1
        desk = new_desk(tmp_path / f"round-{n_rounds}")
        while left and not desk.run_statuses("comparison")["FINISHED"]:
            before = desk.run_statuses("model")["FINISHED"]
            if desk.kill_after(left[0], *compare):
                left.pop(0)
            assert desk.run_statuses("model")["FINISHED"] >= before
        if not desk.run_statuses("comparison")["FINISHED"]:
            assert desk.run(*compare) == 0, desk.output
        assert desk.run_statuses("comparison") == Counter(FINISHED=1)
        statuses = desk.run_statuses("model")
        assert statuses["FINISHED"] == len(ENTRIES)
        assert set(statuses) <= {"FINISHED", "KILLED"}
        assert desk.metrics() == expected
        assert desk.query("PRAGMA integrity_check") == [("ok",)]


def test_a_kill_while_the_store_is_created_does_not_break_it(
    uninterrupted: Desk, tmp_path: Path, new_desk: Callable[[Path], Desk], shop_words: Words
) -> None:
    model = ("model=recommend/popularity", "metrics=[ranking/ndcg]")
    words = ("train", "task=top_n", *model, *shop_words, f"cache={uninterrupted.folder}/.growthlab")
    first = new_desk(tmp_path / "first")
    process = first.start(*words)
    begun = store_begun(first, process)
    assert first.wait(process) == 0, first.output
    longest = time.monotonic() - begun
    for i in range(N_STORES):
        desk = new_desk(tmp_path / str(i))
        process = desk.start(*words)
        store_begun(desk, process)
        time.sleep(0.6 * longest * (i + 0.5) / N_STORES)  # the first part creates the schema
        process.kill()
        desk.wait(process)
        assert desk.run(*words) == 0, desk.output
        assert desk.query("PRAGMA integrity_check") == [("ok",)]


def store_begun(desk: Desk, process: Any) -> float:
    """The time at which the first bytes of a store are on disk."""
    while process.poll() is None:
        for path in desk.folder.glob("*mlflow.db*"):
            if path.suffix != ".lock" and path.stat().st_size:
                return time.monotonic()
        time.sleep(0.01)
    raise AssertionError(desk.output)


def test_a_killed_preparation_leaves_a_complete_cache_or_none(
    desk: Desk, shop_words: Words
) -> None:
    words = ("prepare", *(w.replace("300", "2000") for w in shop_words))
    longest = desk.seconds_of(*words)
    digests = [EventLog.open(folder).digest for folder in logs(desk)]
    for i, moment in enumerate(moments(longest, 8)):
        again = (*words, f"cache=cache-{i}")
        desk.kill_after(moment, *again)
        cached = [EventLog.open(folder).digest for folder in logs(desk, f"cache-{i}")]
        assert cached in ([], digests)
        assert desk.run(*again) == 0, desk.output
        assert [EventLog.open(folder).digest for folder in logs(desk, f"cache-{i}")] == digests


def logs(desk: Desk, cache: str = ".growthlab") -> list[Path]:
    """The folders of prepared logs in a cache, without those that begin with a dot."""
    paths = (desk.folder / cache).glob("*/log.json")
    return [p.parent for p in paths if not p.parent.name.startswith(".")]


def test_a_killed_export_leaves_a_complete_bundle_or_none(uninterrupted: Desk) -> None:
    words = ("export", "task=top_n", "metrics=[ranking/ndcg]", "to=bundle")
    longest = uninterrupted.seconds_of(*words)
    folder = uninterrupted.folder / "bundle"
    version = Bundle.load(folder).manifest.version
    for moment in moments(longest, 5):
        uninterrupted.kill_after(moment, *words, "overwrite=true")
        if folder.exists():
            assert Bundle.load(folder).manifest.version == version
    assert uninterrupted.run(*words, "overwrite=true") == 0, uninterrupted.output
    assert Bundle.load(folder).manifest.version == version
    assert uninterrupted.query("PRAGMA integrity_check") == [("ok",)]


def test_a_killed_search_loses_no_finished_trial(desk: Desk, shop_words: Words) -> None:
    common = ("task=top_n", "model=recommend/item_knn", "metrics=[ranking/ndcg]", "study=drill")
    words = ("tune", *common, *shop_words)
    longest = desk.seconds_of(*words, "budget.trials=3", "study=uninterrupted")
    reported: dict[int, float] = {}
    for moment in moments(longest, 5, seed=2):
        desk.kill_after(moment, *words, "budget.trials=12")
        reported |= reported_trials(desk)
        assert reported.items() <= stored_trials(desk).items()
    assert desk.run(*words, "budget.trials=12") == 0, desk.output
    reported |= reported_trials(desk)
    stored = stored_trials(desk)
    assert len(stored) == 12
    assert reported.items() <= stored.items()
    assert set(desk.run_statuses("search")) <= {"FINISHED", "KILLED"}
    assert set(desk.run_statuses("trial")) <= {"FINISHED", "KILLED"}


def reported_trials(desk: Desk) -> dict[int, float]:
    """The trials that the command reported as finished, with their values."""
    matches = re.findall(r"trial (\d+): (\d\.\d+)", desk.output)
    return {int(number): float(value) for number, value in matches}


def stored_trials(desk: Desk) -> dict[int, float]:
    """The complete trials of the study ``drill``, with their values."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    path = desk.folder / ".growthlab" / "studies.journal"
    if not path.exists():
        return {}
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    if "drill" not in optuna.get_all_study_names(storage):
        return {}
    study = optuna.load_study(study_name="drill", storage=storage)
    return {t.number: round(t.value or 0, 4) for t in study.trials if t.state.name == "COMPLETE"}
