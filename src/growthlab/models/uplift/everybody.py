"""Everybody: the average effect for every customer, which is what is known without skill."""

from __future__ import annotations

from typing import Self

import numpy as np

from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.constant_answer import constant_scorer
from growthlab.models.uplift.base import ScoredEffects
from growthlab.training.fit_options import FitOptions


class Everybody(ScoredEffects):
    """The mean outcome with the arm less that without it, each weighted by its propensity."""

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """See `EffectModel.fit`."""
        self.scorer_ = constant_scorer(experiment.table, average_effect(experiment))
        return self


def average_effect(experiment: ExperimentTable) -> float:
    """The difference of the weighted means of the two arms. Hajek, 1971."""
    w, e = experiment.treatment, experiment.propensity
    weights = w / e, (1 - w) / (1 - e)
    treated, control = (np.average(experiment.outcome, weights=each) for each in weights)
    return float(treated - control)
