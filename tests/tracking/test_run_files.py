"""An outcome read from MLflow equals the outcome that was logged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from growthlab.evaluation.outcome import Estimate, Outcome
from growthlab.tracking import run_files
from growthlab.tracking.run_files import (
    MOST_METRICS,
    flattened,
    log_metrics,
    log_outcome,
    logged_values,
    read_outcome,
)
from growthlab.tracking.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store for this module."""
    folder = tmp_path_factory.mktemp("store")
    return Store(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))


def log_run(store: Store, outcome: Outcome, first: Sequence[str] = ()) -> tuple[MlflowClient, Run]:
    """Log the outcome as a run, the metrics `first` before others."""
    client = store.client
    tags = {"model": outcome.name, "seed": str(outcome.seed)}
    run = client.create_run(store.experiment("shop/test"), tags=tags)
    log_outcome(client, run.info.run_id, outcome, first)
    return client, client.get_run(run.info.run_id)


def ranking_outcome() -> Outcome:
    """An outcome with curves, strata and an undefined metric."""
    users = ["ann", "bob"]
    strata = pd.DataFrame(
        [("cold", "ndcg_at_10", 0.1, 0.0, 0.2, 2)],
        columns=["stratum", "metric", "value", "low", "high", "n_users"],
    )
    nan = float("nan")
    return Outcome(
        model=None,
        name="gru4rec",
        seed=3,
        valid={"ndcg_at_10": 1 / 3, "tied_share": nan},
        test={"ndcg_at_10": Estimate(0.25, 0.1, 0.4), "tied_share": Estimate(nan, nan, nan)},
        per_user=pd.DataFrame({"user_id": users, "ndcg_at_10": [0.0, 0.5]}),
        strata=strata,
        tables={"truth": pd.DataFrame({"user_id": users, "item_id": ["a", "b"]})},
        fit_seconds=1.5,
        score_seconds=0.25,
        peak_memory_mb=10.0,
        coverage=1.0,
        n_deciding=2.0,
        epochs=2,
        curves={"loss": [3.0, 2.0], "valid/ndcg_at_10": [0.1, 1 / 3]},
        why_not_exportable="too shy",
    )


def test_a_ranking_outcome_is_read_as_it_was_logged(store: Store) -> None:
    outcome = ranking_outcome()
    read = read_outcome(*log_run(store, outcome))
    for name in ("name", "seed", "epochs", "coverage", "n_deciding", "fit_seconds", "curves"):
        assert getattr(read, name) == getattr(outcome, name), name
    assert read.why_not_exportable == "too shy"
    assert read.valid["ndcg_at_10"] == 1 / 3
    assert math.isnan(read.valid["tied_share"])
    assert read.test["ndcg_at_10"] == outcome.test["ndcg_at_10"]
    assert all(map(math.isnan, read.test["tied_share"]))
    pd.testing.assert_frame_equal(read.per_user, outcome.per_user)
    pd.testing.assert_frame_equal(read.strata, outcome.strata)


def test_a_run_that_is_killed_before_its_numbers_has_its_tables_and_was_not_looked_at(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_files, "log_metrics", killed)
    with pytest.raises(KeyboardInterrupt):
        log_run(store, ranking_outcome())
    client = store.client
    run = client.search_runs([store.experiment("shop/test")], order_by=["start_time DESC"])[0]
    assert not [name for name in run.data.metrics if name.startswith("test/")]
    assert {"per_user.parquet", "truth.parquet"} <= {
        a.path for a in client.list_artifacts(run.info.run_id)
    }


def test_predictions_are_stored_once_and_read_as_table_and_per_user(store: Store) -> None:
    table = pd.DataFrame({"user_id": ["ann"], "label": [1.0], "prediction": [0.5]})
    outcome = Outcome(
        model=None,
        name="logistic",
        seed=0,
        valid={},
        test={},
        per_user=table,
        strata=pd.DataFrame(),
        tables={"predictions": table},
        fit_seconds=0.0,
        score_seconds=0.0,
        peak_memory_mb=0.0,
        coverage=1.0,
    )
    client, run = log_run(store, outcome)
    assert [a.path for a in client.list_artifacts(run.info.run_id)] == ["predictions.parquet"]
    read = read_outcome(client, run)
    pd.testing.assert_frame_equal(read.per_user, table)
    pd.testing.assert_frame_equal(read.tables["predictions"], table)
    assert (read.epochs, read.curves, len(read.strata)) == (None, {}, 0)


def test_fitted_parameters_are_metrics_with_their_standard_errors(store: Store) -> None:
    table = pd.DataFrame(
        {
            "model": "bg_nbd",
            "parameter": ["r", "log_likelihood"],
            "value": [0.24, -9582.4],
            "standard_error": [0.01, np.nan],
        }
    )
    outcome = replace(ranking_outcome(), tables={"parameters": table})
    client, run = log_run(store, outcome)
    metrics = run.data.metrics
    assert metrics["fitted/bg_nbd/r"] == 0.24
    assert metrics["fitted/bg_nbd/r/standard_error"] == 0.01
    assert metrics["fitted/bg_nbd/log_likelihood"] == -9582.4
    assert "fitted/bg_nbd/log_likelihood/standard_error" not in metrics
    assert "parameters.parquet" in [a.path for a in client.list_artifacts(run.info.run_id)]


def test_many_values_are_in_a_file_and_read_back_to_the_last_digit(store: Store) -> None:
    many = {f"m{n}": Estimate(1 / (n + 3), 0.0, 1.0) for n in range(40)}
    outcome = replace(ranking_outcome(), test={**many, **ranking_outcome().test})
    client, run = log_run(store, outcome, ["ndcg_at_10", "m7"])
    shown = [n for n in run.data.metrics if not n.startswith("epoch/")]
    assert len(shown) == MOST_METRICS
    first = {"test/ndcg_at_10", "test/ndcg_at_10/low", "valid/ndcg_at_10", "test/m7", "coverage"}
    assert first <= set(shown)
    assert read_outcome(client, run).test["m39"] == Estimate(1 / 42, 0.0, 1.0)
    values = logged_values(client, run)
    assert {n for n in values if n.startswith("test/m")} >= {f"test/m{n}" for n in range(40)}


def test_values_that_are_not_finite_are_not_logged(store: Store) -> None:
    client = store.client
    run = client.create_run(store.experiment("shop/test"))
    log_metrics(client, run.info.run_id, {"a": 1.0, "b": np.nan, "c": math.inf})
    assert client.get_run(run.info.run_id).data.metrics == {"a": 1.0}


def test_more_metrics_than_one_batch_holds_are_all_logged(store: Store) -> None:
    client = store.client
    run = client.create_run(store.experiment("shop/test"))
    log_metrics(client, run.info.run_id, {f"m{i}": float(i) for i in range(1203)})
    assert len(client.get_run(run.info.run_id).data.metrics) == 1203


def test_settings_are_flattened_with_lists_as_json() -> None:
    settings = {"a": {"b": {"c": None}}, "d": [1, "x"], "e": True, "f": {}}
    assert flattened(settings) == {"a.b.c": "None", "d": '[1, "x"]', "e": "True"}


def test_no_file_is_left_outside_the_store(tmp_path: Path, store: Store) -> None:
    log_run(store, ranking_outcome())
    assert list(tmp_path.iterdir()) == []
