"""Transformed outcome: a regression of a number whose mean is the effect, without any other model."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from growthlab.core.library_estimators import SklearnRegressor
from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.base import Estimator
from growthlab.models.uplift.base import depends_on_seed, exported, fit_copy
from growthlab.scorers.base import RowScorer
from growthlab.training.fit_options import FitOptions


class TransformedOutcome:
    """Regresses Z = Y (W - e) / (e (1 - e)), whose mean given the features is the effect.

    For 0 and 1 with e one half it is the class transformation. Without bias, and noisy: every outcome
    counts with its whole size. Athey & Imbens, 2015.
    """

    predicts_effects: ClassVar[bool] = True
    effect_: Estimator

    def __init__(self, effect: SklearnRegressor) -> None:
        self.effect = effect

    @property
    def stochastic(self) -> bool:
        """Whether another seed changes the regressor."""
        return depends_on_seed(self.effect)

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """See `EffectModel.fit`."""
        e = experiment.propensity
        z = experiment.outcome * (experiment.treatment - e) / (e * (1 - e))
        self.effect_ = fit_copy(self.effect, experiment.with_target(z), options)
        return self

    def predict(self, customers: Examples) -> np.ndarray:
        """See `EffectModel.predict`."""
        return self.effect_.predict(customers)

    def scorer(self) -> RowScorer:
        """The regressor as a bundle carries it."""
        return exported(self.effect_)
