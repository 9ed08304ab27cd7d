"""Links into MLflow's web page, the saved views behind them, and the descriptions of runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from growthlab.tracking.run_links import look_lines
from growthlab.tracking.saved_views import COMPARISONS, MODELS, NEWEST, TAG, save_comparison_views
from growthlab.tracking.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "mlartifacts"))


def test_a_command_prints_the_run_the_view_and_the_server(store: Store) -> None:
    number = store.experiment("shop/churn")
    run, view, server = look_lines(store, "shop/churn", "abc", COMPARISONS)
    place = f"http://127.0.0.1:5000/#/experiments/{number}/runs"
    assert run == f"look: {place}/abc?workflowType=machine_learning"
    query = "viewStateShareKey=comparisons&workflowType=machine_learning"
    assert view == f"all runs: {place}?{query}"
    assert server == f"once this runs: mlflow ui --backend-store-uri {store.uri}"
    (page, _) = look_lines(store, "shop/churn", "abc", page="my report.html")
    assert page == f"look: {place}/abc/artifacts/my%20report.html?workflowType=machine_learning"


def test_links_lead_to_where_the_page_is_served(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/m.db", str(tmp_path / "a"), ui="https://runs.example/ml/")
    number = store.experiment("shop/churn")
    (line,) = look_lines(store, "shop/churn", "abc")
    assert line.startswith(f"look: https://runs.example/ml/#/experiments/{number}/runs/abc")


def test_a_single_model_leaves_the_newest_comparison_as_it_was(store: Store) -> None:
    number = store.experiment("shop/value")
    save_comparison_views(store, number, "mae", maximise=False, newest="abc")
    save_comparison_views(store, number, "mae", maximise=False)
    tags = store.client.get_experiment(number).tags
    views = {key: json.loads(tags[f"{TAG}{key}"]) for key in (COMPARISONS, NEWEST, MODELS)}
    assert views[NEWEST]["searchFilter"] == "tags.`mlflow.parentRunId` = 'abc'"
    assert views[MODELS]["orderByKey"] == "metrics.`test/mae`"
    assert views[MODELS]["orderByAsc"]  # a small error is good
    assert "metrics.`winner/mae`" in views[COMPARISONS]["selectedColumns"]
