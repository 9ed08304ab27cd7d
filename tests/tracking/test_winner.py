"""The winner of the newest comparison in a store: the run that the rule of the choice names."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from growthlab.evaluation.choice import ChoiceRule
from growthlab.tracking.run_clock import end_run, new_run
from growthlab.tracking.run_files import N_DECIDING
from growthlab.tracking.store import Store
from growthlab.tracking.winner import winner_of

RULE = ChoiceRule(baselines=("recency_rule", "bg_nbd"))


def store_with(folder: Path, n_deciding: float | None, exportable: dict[str, str]) -> Store:
    """A store with a comparison of four models, whose order is not that of their values."""
    store = Store(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))
    experiment = store.experiment("shop/churn")
    parent = new_run(store.client, experiment, "compare", {"kind": "comparison", "winner": "any"})
    values = {"logistic": 0.8, "lightgbm": 0.9, "bg_nbd": 0.7, "recency_rule": 0.5}
    for model, value in values.items():
        tags = {"kind": "model", "model": model, "origin": "0", "mlflow.parentRunId": parent}
        tags["exportable"] = exportable.get(model, "yes")
        run = new_run(store.client, experiment, model, tags)
        store.client.log_metric(run, "valid/roc_auc", value)
        if n_deciding is not None:
            store.client.log_metric(run, N_DECIDING, n_deciding)
        end_run(store.client, run, "FINISHED")
    end_run(store.client, parent, "FINISHED")
    return store


def winner(store: Store, rule: ChoiceRule = RULE) -> str:
    return str(winner_of(store, "shop/churn", "roc_auc", rule).data.tags["model"])


def test_the_best_by_validation_is_exported_where_enough_decide(tmp_path: Path) -> None:
    assert winner(store_with(tmp_path, 20, {})) == "lightgbm"


def test_where_few_decide_the_first_baseline_is_exported_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_with(tmp_path, 19, {})
    with caplog.at_level(logging.WARNING):
        assert winner(store) == "recency_rule"
    why = "19 customers decide on the validation window, fewer than 20"
    assert f"chosen by default: {why}" in caplog.text
    assert winner(store, ChoiceRule(baselines=RULE.baselines, min_deciding=19)) == "lightgbm"


def test_runs_of_versions_that_did_not_count_are_chosen_from(tmp_path: Path) -> None:
    assert winner(store_with(tmp_path, None, {})) == "lightgbm"


def test_a_default_that_cannot_be_exported_gives_way_to_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_with(tmp_path, 5, {"recency_rule": "it has no scorer"})
    with caplog.at_level(logging.WARNING):
        assert winner(store) == "bg_nbd"
    assert "recency_rule is the default: it has no scorer" in caplog.text
