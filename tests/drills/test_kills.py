"""Commands killed at any moment, and typed again: nothing is lost, half done, or done twice."""

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
def undisturbed(
    compare: Words, tmp_path_factory: pytest.TempPathFactory, new_desk: Callable[[Path], Desk]
) -> Desk:
    """The folder of someone whose comparison nobody disturbed; `seconds` is how long it worked."""
    desk = new_desk(tmp_path_factory.mktemp("undisturbed"))
    desk.seconds = desk.works(*compare)
    return desk


def moments(longest: float, n: int, seed: int = 0) -> Iterator[float]:
    """`n` random moments of a command's work, the same each time."""
    rng = random.Random(seed)
    yield from (rng.uniform(0, longest) for _ in range(n))


def test_a_killed_comparison_goes_on_and_ends_as_an_undisturbed_one(
    compare: Words, undisturbed: Desk, tmp_path: Path, new_desk: Callable[[Path], Desk]
) -> None:
    expected = undisturbed.metrics()
    assert set(expected) == ENTRIES
    n_rounds, left = 0, list(moments(0.6 * undisturbed.seconds, N_KILLS))
    while left:
        n_rounds += 1
        desk = new_desk(tmp_path / f"round-{n_rounds}")
        while left and not desk.run_statuses("comparison")["FINISHED"]:
            before = desk.run_statuses("model")["FINISHED"]
            if desk.killed(left[0], *compare):
                left.pop(0)
            assert desk.run_statuses("model")["FINISHED"] >= before
        if not desk.run_statuses("comparison")["FINISHED"]:
            assert desk.runs(*compare) == 0, desk.said
        assert desk.run_statuses("comparison") == Counter(FINISHED=1)
        statuses = desk.run_statuses("model")
        assert statuses["FINISHED"] == len(ENTRIES)
        assert set(statuses) <= {"FINISHED", "KILLED"}
        assert desk.metrics() == expected
        assert desk.query("PRAGMA integrity_check") == [("ok",)]


def test_a_kill_while_the_store_is_made_does_not_break_it(
    undisturbed: Desk, tmp_path: Path, new_desk: Callable[[Path], Desk], shop_words: Words
) -> None:
    model = ("model=recommend/popularity", "metrics=[ranking/ndcg]")
    words = ("train", "task=top_n", *model, *shop_words, f"cache={undisturbed.folder}/.growthlab")
    first = new_desk(tmp_path / "first")
    process = first.start(*words)
    begun = store_begun(first, process)
    assert first.ends(process) == 0, first.said
    longest = time.monotonic() - begun
    for i in range(N_STORES):
        desk = new_desk(tmp_path / str(i))
        process = desk.start(*words)
        store_begun(desk, process)
        time.sleep(0.6 * longest * (i + 0.5) / N_STORES)  # the first part makes the schema
        process.kill()
        desk.ends(process)
        assert desk.runs(*words) == 0, desk.said
        assert desk.query("PRAGMA integrity_check") == [("ok",)]


def store_begun(desk: Desk, process: Any) -> float:
    """When the first bytes of a store are on the disk."""
    while process.poll() is None:
        for path in desk.folder.glob("*mlflow.db*"):
            if path.suffix != ".lock" and path.stat().st_size:
                return time.monotonic()
        time.sleep(0.01)
    raise AssertionError(desk.said)


def test_a_killed_preparation_leaves_a_whole_cache_or_none(desk: Desk, shop_words: Words) -> None:
    words = ("prepare", *(w.replace("300", "2000") for w in shop_words))
    longest = desk.works(*words)
    digests = [EventLog.open(folder).digest for folder in logs(desk)]
    for i, moment in enumerate(moments(longest, 8)):
        again = (*words, f"cache=cache-{i}")
        desk.killed(moment, *again)
        found = [EventLog.open(folder).digest for folder in logs(desk, f"cache-{i}")]
        assert found in ([], digests)
        assert desk.runs(*again) == 0, desk.said
        assert [EventLog.open(folder).digest for folder in logs(desk, f"cache-{i}")] == digests


def logs(desk: Desk, cache: str = ".growthlab") -> list[Path]:
    """The folders of prepared logs under a cache, those that do not begin with a dot."""
    found = (desk.folder / cache).glob("*/log.json")
    return [p.parent for p in found if not p.parent.name.startswith(".")]


def test_a_killed_export_leaves_a_whole_bundle_or_none(undisturbed: Desk) -> None:
    words = ("export", "task=top_n", "metrics=[ranking/ndcg]", "to=bundle")
    longest = undisturbed.works(*words)
    folder = undisturbed.folder / "bundle"
    version = Bundle.load(folder).manifest.version
    for moment in moments(longest, 5):
        undisturbed.killed(moment, *words, "overwrite=true")
        if folder.exists():
            assert Bundle.load(folder).manifest.version == version
    assert undisturbed.runs(*words, "overwrite=true") == 0, undisturbed.said
    assert Bundle.load(folder).manifest.version == version
    assert undisturbed.query("PRAGMA integrity_check") == [("ok",)]


def test_a_killed_search_loses_no_finished_trial(desk: Desk, shop_words: Words) -> None:
    common = ("task=top_n", "model=recommend/item_knn", "metrics=[ranking/ndcg]", "study=drill")
    words = ("tune", *common, *shop_words)
    longest = desk.works(*words, "budget.trials=3", "study=undisturbed")
    told: dict[int, float] = {}
    for moment in moments(longest, 5, seed=2):
        desk.killed(moment, *words, "budget.trials=12")
        told |= trials_told(desk)
        assert told.items() <= trials_stored(desk).items()
    assert desk.runs(*words, "budget.trials=12") == 0, desk.said
    told |= trials_told(desk)
    stored = trials_stored(desk)
    assert len(stored) == 12
    assert told.items() <= stored.items()
    assert set(desk.run_statuses("search")) <= {"FINISHED", "KILLED"}
    assert set(desk.run_statuses("trial")) <= {"FINISHED", "KILLED"}


def trials_told(desk: Desk) -> dict[int, float]:
    """The trials that the command said it had finished, and their values."""
    found = re.findall(r"trial (\d+): (\d\.\d+)", desk.said)
    return {int(number): float(value) for number, value in found}


def trials_stored(desk: Desk) -> dict[int, float]:
    """The complete trials of the study ``drill``, and their values."""
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
