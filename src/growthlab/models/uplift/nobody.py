"""Nobody: no effect for any customer."""

from __future__ import annotations

from typing import Self

from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.constant_answer import constant_scorer
from growthlab.models.uplift.base import ScoredEffects
from growthlab.training.fit_options import FitOptions


class Nobody(ScoredEffects):
    """An effect of 0: nothing is gained by the action."""

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """Nothing is learned."""
        self.scorer_ = constant_scorer(experiment.table, 0.0)
        return self
