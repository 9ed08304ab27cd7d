"""LightGBM stopped by the validation window: an epoch is ten trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.linear_model import LogisticRegression

from growthlab.core.errors import ConfigError
from growthlab.core.seeding import random_stream
from growthlab.features.examples import Examples
from growthlab.models.boosting import patience_of
from growthlab.models.table_estimator import TableEstimator
from growthlab.training.fit_options import EpochVerdict, FitOptions

SETTINGS: dict[str, Any] = {
    "n_estimators": 65,
    "min_child_samples": 5,
    "verbosity": -1,
    "n_jobs": 1,
}


def examples(n: int = 200) -> Examples:
    random = random_stream(0, "boosting")
    table = pd.DataFrame(random.normal(0, 1, (n, 3)), columns=["a", "b", "c"])
    label = (table["a"] + random.normal(0, 1, n) > 0).to_numpy(dtype=float)
    ids, times = np.arange(n).astype(str), np.full(n, np.datetime64("2025-06-01"))
    return Examples(table, ids, times, 28.0, target=label)


def stopped(rounds: int = 20) -> LGBMClassifier:
    return LGBMClassifier(**SETTINGS, early_stopping_round=rounds)


def test_the_trees_up_to_the_best_epoch_stay() -> None:
    """Asked after 10, 20, ..., 60 and 65 trees; epoch 3 is the last that is better."""
    asked: list[int] = []

    def on_epoch(epoch: int, model: Any) -> EpochVerdict:
        asked.append(epoch)
        assert model.predict(examples()).shape == (200,)
        return EpochVerdict(improved=epoch <= 3, stop=False)

    model = TableEstimator(stopped()).fit(examples(), FitOptions(on_epoch=on_epoch))
    assert asked == [1, 2, 3, 4, 5, 6, 7]
    assert model.fitted_.best_iteration_ == 30
    again = TableEstimator(LGBMClassifier(**SETTINGS | {"n_estimators": 30}))
    plain = again.fit(examples(), FitOptions()).predict(examples())
    np.testing.assert_array_equal(model.predict(examples()), plain)
    table = {c: examples().table[c].to_numpy() for c in "abc"}
    np.testing.assert_allclose(model.scorer().predict(table), plain, rtol=1e-12)


def test_growth_ends_where_the_caller_says_so() -> None:
    asked: list[int] = []

    def on_epoch(epoch: int, model: Any) -> EpochVerdict:
        asked.append(epoch)
        return EpochVerdict(improved=epoch == 1, stop=epoch == 2)

    model = TableEstimator(stopped()).fit(examples(), FitOptions(on_epoch=on_epoch))
    assert asked == [1, 2]
    assert model.fitted_.best_iteration_ == 10


def test_the_model_after_an_epoch_has_so_many_trees() -> None:
    seen: dict[int, np.ndarray] = {}

    def on_epoch(epoch: int, model: Any) -> EpochVerdict:
        seen[epoch] = model.predict(examples())
        return EpochVerdict(improved=True, stop=False)

    TableEstimator(stopped()).fit(examples(), FitOptions(on_epoch=on_epoch))
    small = TableEstimator(LGBMClassifier(**SETTINGS | {"n_estimators": 20}))
    expected = small.fit(examples(), FitOptions()).predict(examples())
    np.testing.assert_allclose(seen[2], expected, rtol=1e-12)


def test_a_refit_has_as_many_trees_as_were_chosen() -> None:
    model = TableEstimator(stopped()).fit(examples(), FitOptions(epochs=2))
    assert model.fitted_.booster_.num_trees() == 20


def test_patience_is_counted_in_epochs() -> None:
    assert patience_of(stopped(25)) == 3
    assert patience_of(LGBMRegressor()) is None
    assert patience_of(LogisticRegression()) is None
    with pytest.raises(ConfigError, match="early_stopping_round must be at least 10 trees, got 5"):
        patience_of(stopped(5))
