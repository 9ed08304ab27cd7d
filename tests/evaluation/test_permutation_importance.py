"""Permutation importance: only features that the model uses are shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from growthlab.core.seeding import random_stream
from growthlab.evaluation.permutation_importance import permutation_importance
from growthlab.evaluation.plots import importance
from growthlab.features.examples import Examples
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.value.mae import MAE
from growthlab.models.table_estimator import wrap_estimator
from growthlab.training.fit_options import FitOptions


class Rule:
    """Says a column, or the newest active day."""

    stochastic = False

    def __init__(self, column: str) -> None:
        self.column = column

    def fit(self, examples: Examples, options: FitOptions) -> Rule:
        return self

    def predict(self, examples: Examples) -> np.ndarray:
        return examples.column(self.column).to_numpy(dtype=np.float64)


def examples(n: int = 400) -> Examples:
    random = random_stream(0, "importance of a test")
    label = (random.random(n) < 0.5).astype(float)
    table = pd.DataFrame({"tells": label + random.normal(0, 0.5, n), "noise": random.random(n)})
    ids, times = np.arange(n).astype(str), np.full(n, np.datetime64("2025-06-01"))
    return Examples(table, ids, times, 28.0, target=label)


def test_a_model_of_one_column_has_importance_for_that_column_only() -> None:
    importances = permutation_importance(wrap_estimator(Rule("tells")), examples(), RocAuc())
    assert importances["feature"].tolist() == ["tells"]
    # shuffled it ranks as chance: what is lost is its AUC above one half
    data = examples()
    assert data.target is not None
    lost = RocAuc()(data.target, data.table["tells"].to_numpy()) - 0.5
    assert importances["importance"][0] == pytest.approx(lost, abs=0.06)


def test_importance_is_positive_where_less_is_better() -> None:
    importances = permutation_importance(wrap_estimator(Rule("tells")), examples(), MAE())
    assert importances["importance"][0] > 0


def test_features_of_the_event_steps_are_shuffled_too() -> None:
    data = examples()
    assert data.target is not None
    vars(data)["steps"] = np.tile(data.target[:, None, None], (1, 32, 5)).astype(np.float32)
    importances = permutation_importance(wrap_estimator(Rule("step01_ago")), data, RocAuc())
    assert importances["feature"].tolist() == ["steps: ago"]
    assert importances["importance"][0] == pytest.approx(0.5, abs=0.1)


def test_a_metric_that_is_not_defined_gives_no_importance() -> None:
    data = examples()
    ones = Examples(data.table, data.user_ids, data.snapshots, 28.0, target=np.ones(len(data)))
    assert permutation_importance(wrap_estimator(Rule("tells")), ones, RocAuc()).empty


def test_the_importance_plot_shows_the_features_in_order() -> None:
    table = pd.DataFrame({"feature": ["a", "b"], "importance": [0.2, 0.1], "sd": [0.01, 0.02]})
    (axes,) = importance(table, "roc_auc").axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["b", "a"]
