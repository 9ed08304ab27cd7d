"""X-learner: each arm's effects by the other arm's model, and the mean of both."""

from __future__ import annotations

from typing import Self

import numpy as np

from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.base import Estimator
from growthlab.models.uplift.base import EffectRegression, expected_outcomes, exported, fit_copy
from growthlab.scorers.base import RowScorer
from growthlab.scorers.sum_row_scorer import SumRowScorer
from growthlab.training.fit_options import FitOptions


class XLearner(EffectRegression):
    """e t0(x) + (1 - e) t1(x), where e is the share of customers who were to get the arm.

    t1 learns Y - m0 from the customers with the arm, and t0 learns m1 - Y from the others; m0 and m1 are
    cross-fitted. Good where one arm is much larger. Künzel et al., PNAS 2019.
    """

    effects_: tuple[Estimator, Estimator]

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """See `EffectModel.fit`."""
        expected = expected_outcomes(self.outcome, experiment, options)
        treated = np.flatnonzero(experiment.treatment == 1)
        control = np.flatnonzero(experiment.treatment == 0)
        gained = experiment.with_target(experiment.outcome - expected[:, 0]).select(treated)
        missed = experiment.with_target(expected[:, 1] - experiment.outcome).select(control)
        first, second = (fit_copy(self.effect, each, options) for each in (missed, gained))
        self.effects_ = first, second
        share = float(experiment.propensity.mean())
        self.weights_ = np.array([share, 1 - share])
        return self

    def predict(self, customers: Examples) -> np.ndarray:
        """See `EffectModel.predict`."""
        control, treated = (effect.predict(customers) for effect in self.effects_)
        return self.weights_[0] * control + self.weights_[1] * treated

    def scorer(self) -> RowScorer:
        """Both regressions as a bundle carries them."""
        control, treated = self.effects_
        return SumRowScorer((exported(control), exported(treated)), self.weights_)
