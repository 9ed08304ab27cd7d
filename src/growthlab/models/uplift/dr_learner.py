"""DR-learner: a regression of each customer's doubly robust effect."""

from __future__ import annotations

from typing import Self

import numpy as np

from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.uplift.base import EffectRegression, expected_outcomes, fit_copy
from growthlab.training.fit_options import FitOptions


class DRLearner(EffectRegression):
    """Regresses m1 - m0 + W (Y - m1) / e - (1 - W) (Y - m0) / (1 - e), with m0 and m1 cross-fitted.

    Kennedy, Towards Optimal Doubly Robust Estimation of Heterogeneous Causal Effects, Electronic
    Journal of Statistics 2023.
    """

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """See `EffectModel.fit`."""
        expected = expected_outcomes(self.outcome, experiment, options)
        learned = experiment.with_target(robust_effects(experiment, expected))
        self.effect_ = fit_copy(self.effect, learned, options)
        return self


def robust_effects(experiment: ExperimentTable, expected: np.ndarray) -> np.ndarray:
    """The doubly robust effect of each customer, ``(n,)``; `expected` as of `expected_outcomes`."""
    w, y, e, (m0, m1) = experiment.treatment, experiment.outcome, experiment.propensity, expected.T
    return np.asarray(m1 - m0 + w * (y - m1) / e - (1 - w) * (y - m0) / (1 - e))
