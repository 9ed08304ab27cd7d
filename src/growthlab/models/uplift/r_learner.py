"""R-learner: the effect explains what is left of the outcome by what is left of the arm."""

from __future__ import annotations

from typing import Self

from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.table_estimator import TableEstimator
from growthlab.models.uplift.base import EffectRegression, expected_outcomes
from growthlab.training.fit_options import FitOptions


class RLearner(EffectRegression):
    """The t(x) that minimises the sum of ((Y - m(x)) - t(x) (W - e))^2, with m cross-fitted.

    That is a regression of (Y - m) / (W - e) with the weights (W - e)^2. Nie & Wager, Biometrika 2021.
    """

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """See `EffectModel.fit`."""
        e = experiment.propensity
        without, with_arm = expected_outcomes(self.outcome, experiment, options).T
        w = experiment.treatment - e
        rest = experiment.outcome - (e * with_arm + (1 - e) * without)
        learned = experiment.with_target(rest / w)
        self.effect_ = TableEstimator(self.effect).fit(learned, options, weights=w**2)
        return self
