"""Early stopping of LightGBM on the validation window, as for networks: an epoch is ten trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.core.library_estimators import SklearnEstimator
from growthlab.features.examples import Examples
from growthlab.models.base import TrainedInEpochs
from growthlab.training.fit_options import FitOptions

TREES = 10  # per epoch
STOPPING = (
    "early_stopping_round"  # LightGBM's setting: trees without improvement that are tolerated
)


def patience_of(model: Any) -> int | None:
    """Epochs without improvement that a model tolerates; None for one not trained in epochs."""
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


def fit_with_early_stopping(
    estimator: Any,
    inputs: Any,
    label: np.ndarray,
    options: FitOptions,
    predict: Callable[[Any, Examples], np.ndarray],
) -> Any:
    """A copy of LightGBM's `estimator`, fitted with the number of trees that the caller chooses.

    `FitOptions.on_epoch` is called after every ten trees and after the last of ``n_estimators``, and
    the trees up to the last improvement are kept; `FitOptions.epochs` overrides their number.
    `predict` predicts examples with a booster during its fit.
    """
    settings = {n: v for n, v in estimator.get_params().items() if n != STOPPING}
    if options.epochs is not None:
        settings["n_estimators"] = TREES * options.epochs
    copy = type(estimator)(**settings)
    if options.on_epoch is None:
        return copy.fit(inputs, label)
    return copy.fit(inputs, label, callbacks=[_EpochCallback(options.on_epoch, predict)])


class _EpochCallback:
    """A LightGBM callback that calls `on_epoch` after each epoch, and stops when told to."""

    order = 30
    before_iteration = False

    def __init__(self, on_epoch: Callable[[int, Any], Any], predict: Any) -> None:
        self.on_epoch, self.predict_with = on_epoch, predict
        self.best = 0

    def __call__(self, env: Any) -> None:
        from lightgbm.callback import EarlyStopException

        n_trees, last = env.iteration + 1, env.iteration + 1 == env.end_iteration
        if n_trees % TREES and not last:
            return
        verdict = self.on_epoch(-(-n_trees // TREES), _PartialModel(env.model, self.predict_with))
        if verdict.improved:
            self.best = n_trees
        if verdict.stop or last:
            raise EarlyStopException(max(self.best, 1) - 1, [])


class _PartialModel:
    """A model during its fit, which can only predict."""

    stochastic = True

    def __init__(self, booster: Any, predict: Callable[[Any, Examples], np.ndarray]) -> None:
        self.booster, self.predict_with = booster, predict

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Not possible during a fit."""
        raise NotImplementedError("this model is being fitted already")

    def predict(self, examples: Examples) -> np.ndarray:
        """Predictions by all trees so far, shape ``(n,)``."""
        return self.predict_with(self.booster, examples)
