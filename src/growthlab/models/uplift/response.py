"""Response: the customers with the highest expected outcome first, whatever the arm changes."""

from __future__ import annotations

from typing import Self

import numpy as np

from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.base import Estimator
from growthlab.models.uplift.base import OrdersOnly, OutcomeModel, fit_copy
from growthlab.training.fit_options import FitOptions


class PredictedResponse(OrdersOnly):
    """The expected outcome, learned from both arms alike: an `expected_value_heuristic`, and no effect."""

    outcome_: Estimator

    def __init__(self, outcome: OutcomeModel) -> None:
        self.outcome = outcome

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """See `EffectModel.fit`; who had which arm plays no part."""
        self.outcome_ = fit_copy(self.outcome, experiment, options)
        return self

    def predict(self, customers: Examples) -> np.ndarray:
        """See `EffectModel.predict`."""
        return self.outcome_.predict(customers)
