"""T-learner: two models of the outcome, one of the customers with the arm and one of those without."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.uplift.base import OutcomeModel, depends_on_seed, exported, fit_copy
from growthlab.scorers.sum_row_scorer import SumRowScorer
from growthlab.training.fit_options import FitOptions


class TLearner:
    """m1(x) - m0(x); `outcome` is any model of the outcome, in two parts for amounts with many zeros.

    Künzel et al., PNAS 2019.
    """

    predicts_effects: ClassVar[bool] = True

    def __init__(self, outcome: OutcomeModel) -> None:
        self.outcome = outcome

    @property
    def stochastic(self) -> bool:
        """Whether another seed changes the models of the outcome."""
        return depends_on_seed(self.outcome)

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """See `EffectModel.fit`."""
        self.treated_ = fit_copy(self.outcome, experiment.arm(True), options)
        self.control_ = fit_copy(self.outcome, experiment.arm(False), options)
        return self

    def predict(self, customers: Examples) -> np.ndarray:
        """See `EffectModel.predict`."""
        return self.treated_.predict(customers) - self.control_.predict(customers)

    def scorer(self) -> SumRowScorer:
        """Both models as a bundle carries them; ExportError where one cannot be exported."""
        parts = exported(self.treated_), exported(self.control_)
        return SumRowScorer(parts, np.array([1.0, -1.0]))
