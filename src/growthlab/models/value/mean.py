"""The mean value for all customers: the baseline of value models in level."""

from __future__ import annotations

from typing import Self

from growthlab.features.examples import Examples
from growthlab.models.base import ScoredEstimator
from growthlab.models.constant_answer import constant_scorer
from growthlab.training.fit_options import FitOptions


class Mean(ScoredEstimator):
    """The mean value of the labelled examples, for every customer."""

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn the mean."""
        mean = float(examples.labels("mean").mean())
        self.scorer_ = constant_scorer(examples.table, mean)
        return self
