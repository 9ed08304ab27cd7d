"""LightGBM stopped by the validation window, as networks are: an epoch is ten trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.features.examples import Examples
from growthlab.models.base import SklearnEstimator, TrainedInEpochs
from growthlab.training.fit_options import FitOptions

TREES = 10  # an epoch
STOPPING = "early_stopping_round"  # LightGBM's name of it: trees without improvement that are borne


def patience_of(model: Any) -> int | None:
    """Epochs without improvement that a model bears; None for one that is not trained in epochs."""
    if isinstance(model, TrainedInEpochs):
        return int(model.trainer.patience)
    if not isinstance(model, SklearnEstimator):
        return None
    trees = model.get_params().get(STOPPING)
    if trees is None:
        return None
    if not trees >= TREES:
        raise ConfigError(f"model.{STOPPING} must be at least {TREES} trees, got {trees}")
    return -(-int(trees) // TREES)


def grown(
    estimator: Any,
    inputs: Any,
    label: np.ndarray,
    options: FitOptions,
    predicted: Callable[[Any, Examples], np.ndarray],
) -> Any:
    """A copy of LightGBM's `estimator`, fitted with as many trees as the caller wants.

    `FitOptions.on_epoch` is asked after every ten trees, the last of ``n_estimators`` included, and
    the trees up to the last improvement stay; `FitOptions.epochs` overrides their number.
    `predicted` makes predictions of examples with a booster that is still growing.
    """
    settings = {n: v for n, v in estimator.get_params().items() if n != STOPPING}
    if options.epochs is not None:
        settings["n_estimators"] = TREES * options.epochs
    made = type(estimator)(**settings)
    if options.on_epoch is None:
        return made.fit(inputs, label)
    return made.fit(inputs, label, callbacks=[_EpochCallback(options.on_epoch, predicted)])


class _EpochCallback:
    """A callback that asks after an epoch, and ends the growth where it is told to."""

    order = 30
    before_iteration = False

    def __init__(self, on_epoch: Callable[[int, Any], Any], predicted: Any) -> None:
        self.on_epoch, self.predicted = on_epoch, predicted
        self.best = 0

    def __call__(self, env: Any) -> None:
        from lightgbm.callback import EarlyStopException

        n_trees, last = env.iteration + 1, env.iteration + 1 == env.end_iteration
        if n_trees % TREES and not last:
            return
        verdict = self.on_epoch(-(-n_trees // TREES), _Growing(env.model, self.predicted))
        if verdict.improved:
            self.best = n_trees
        if verdict.stop or last:
            raise EarlyStopException(max(self.best, 1) - 1, [])


class _Growing:
    """A model in the middle of its fit: it can only be asked."""

    stochastic = True

    def __init__(self, booster: Any, predicted: Callable[[Any, Examples], np.ndarray]) -> None:
        self.booster, self.predicted = booster, predicted

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Refused: it is being fitted."""
        raise NotImplementedError("this model is being fitted already")

    def predict(self, examples: Examples) -> np.ndarray:
        """Predictions by all trees so far, shape ``(n,)``."""
        return self.predicted(self.booster, examples)
