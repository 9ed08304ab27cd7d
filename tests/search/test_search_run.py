"""Trials in MLflow: the state and result of each, the best settings, and no run left open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.entities import Run

from growthlab.search.search_report import search_figures, trials_table
from growthlab.search.search_run import SearchRun
from growthlab.search.search_space import CategoricalRange, NumericRange, SearchSpace
from growthlab.search.study import Budget, Study
from growthlab.search.study_store import StudyStore
from growthlab.search.trial import TrialResult
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.process_identity import PROCESS, process_of
from growthlab.tracking.store import Store

SPACE = SearchSpace(
    {"lr": NumericRange(1e-4, 1.0, log=True), "layers": CategoricalRange(([8], [16, 8], [32]))}, {}
)
OWN = {"lr": 0.1, "layers": [8]}
LINEAGE = Lineage("shop", "d" * 64, "top_n", "global_time", "2025-01-01", "shop")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An MLflow store for all tests."""
    folder = tmp_path_factory.mktemp("store")
    return Store(f"sqlite:///{folder}/mlflow.db", str(folder / "mlartifacts"))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in its own folder with its own journal."""
    monkeypatch.chdir(tmp_path)


def study(name: str = "s", n: int = 9, maximise: tuple[bool, ...] = (True,)) -> Study:
    """A study in the folder's journal."""
    space = SearchSpace(SPACE.ranges, OWN)
    return Study(
        StudyStore(None, Path.cwd() / "studies.journal"), name, space, {}, maximise, Budget(n)
    )


def recorder(store: Store, study: Study, *objectives: str) -> SearchRun:
    """The recorder of the study."""
    return SearchRun(store, LINEAGE, {"a": 1}, study, objectives or ("quality",))


def run_trial(
    study: Study, runs: SearchRun, result: TrialResult, error: Exception | None = None
) -> None:
    """Run one trial with a given result."""
    trial = study.ask()
    assert trial is not None
    runs.start(trial)
    study.tell(trial, result)
    runs.finish(trial, result, error)


def trials_of(store: Store, runs: SearchRun) -> list[Run]:
    """The child runs of the search, by trial number."""
    experiment = store.experiment(LINEAGE.searches)
    children = store.client.search_runs([experiment], f"tags.mlflow.parentRunId = '{runs.run_id}'")
    return sorted(children, key=lambda r: int(r.data.tags["trial"]))


def test_complete_pruned_and_failed_trials_differ_in_state_and_status(store: Store) -> None:
    s = study()
    runs = recorder(store, s)
    curve = {1: 0.2, 2: 0.3}
    run_trial(
        s, runs, TrialResult("complete", (0.3,), {"quality": 0.3}, {"fit_seconds": 2.0}, 2, curve)
    )
    run_trial(
        s, runs, TrialResult("pruned", epochs=2, curve=curve, why="below the median after epoch 2")
    )
    run_trial(s, runs, TrialResult("failed", why="MemoryError: 31 GiB"), MemoryError("31 GiB"))
    complete, pruned, failed = trials_of(store, runs)
    assert [r.data.tags["state"] for r in (complete, pruned, failed)] == [
        *("complete", "pruned", "failed")
    ]
    assert [r.info.status for r in (complete, pruned, failed)] == ["FINISHED", "FINISHED", "FAILED"]
    assert complete.data.metrics["valid/quality"] == 0.3
    assert complete.data.metrics["fit_seconds"] == 2.0
    assert pruned.data.metrics["epoch/objective"] == 0.3  # the last of the curve
    assert pruned.data.tags["why"] == "below the median after epoch 2"
    assert failed.data.tags["error"] == "MemoryError: 31 GiB"
    assert complete.data.params == {"lr": "0.1", "layers": "[8]"}


def test_the_run_of_a_killed_process_ends_with_the_result_in_the_study(store: Store) -> None:
    s = study()
    runs = recorder(store, s)
    stored, lost = s.ask(), s.ask()
    assert stored is not None
    assert lost is not None
    runs.start(stored)
    runs.start(lost)
    s.tell(stored, TrialResult("complete", (0.4,), {"quality": 0.4}))
    for run in trials_of(store, runs):  # killed before it logged the result
        store.client.set_tag(run.info.run_id, PROCESS, "gone:1:1")
    again = recorder(store, study())
    assert again.run_id == runs.run_id
    again.end_orphaned_trials()
    first, second = trials_of(store, runs)
    assert (first.info.status, first.data.tags["state"]) == ("FINISHED", "complete")
    assert first.data.metrics["valid/quality"] == 0.4
    assert (second.info.status, second.data.tags["state"]) == ("KILLED", "interrupted")


def test_a_closed_search_has_its_table_and_the_best_so_far(store: Store) -> None:
    s = study()
    runs = recorder(store, s)
    run_trial(s, runs, TrialResult("complete", (0.3,)))
    runs.close("FINISHED", s.finished()[0])
    run_trial(s, runs, TrialResult("complete", (0.6,)))
    runs.close("FINISHED", s.finished()[1])
    search = store.client.get_run(runs.run_id)
    assert search.info.status == "FINISHED"
    assert search.data.tags["best.trial"] == "1"
    assert search.data.metrics["valid/quality"] == 0.6
    names = {a.path for a in store.client.list_artifacts(runs.run_id)}
    assert {"trials.csv", "plots", "config.yaml"} <= names


def test_a_search_run_stays_open_while_another_process_works(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = study()
    runs = recorder(store, s)
    run_trial(s, runs, TrialResult("complete", (0.3,)))
    with monkeypatch.context() as patch:
        patch.setattr("growthlab.search.study.this_process", lambda: process_of(os.getppid()))
        assert study().ask() is not None
    runs.close("FINISHED", s.finished()[0])
    assert store.client.get_run(runs.run_id).info.status == "RUNNING"


def test_a_trial_that_never_started_ends_with_the_search(store: Store) -> None:
    s = study("asked")
    runs = recorder(store, s)
    assert s.ask() is not None
    runs.close("KILLED")
    assert store.client.get_run(runs.run_id).info.status == "KILLED"
    assert s.finished() == []
    assert not s.running()


def test_the_table_of_no_trials_is_empty() -> None:
    trials: list[Any] = []
    table = trials_table(trials, ["quality"])
    assert isinstance(table, pd.DataFrame)
    assert len(table) == 0


def test_plots_need_enough_complete_trials() -> None:
    s = study("plots", maximise=(True, False))
    assert search_figures(s.optuna, ["quality", "bundle_mb"]) == {}
    for value in (0.1, 0.4, 0.3, 0.2, 0.5):
        trial = s.ask()
        assert trial is not None
        s.tell(trial, TrialResult("complete", (value, 1 - value)))
        if value == 0.1:
            drawn = set(search_figures(s.optuna, ["quality", "bundle_mb"]))
            assert drawn == {"history_quality", "history_bundle_mb", "trade_off"}
    kinds = ("history", "settings")
    each = {f"{kind}_{name}" for kind in kinds for name in ("quality", "bundle_mb")}
    assert set(search_figures(s.optuna, ["quality", "bundle_mb"])) == {*each, "trade_off"}


def test_plots_do_not_change_the_style_of_other_figures() -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    s = study("style")
    for value in (0.1, 0.4, 0.3, 0.2):
        trial = s.ask()
        assert trial is not None
        s.tell(trial, TrialResult("complete", (value,)))
    before = dict(mpl.rcParams)
    assert search_figures(s.optuna, ["quality"])
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []
