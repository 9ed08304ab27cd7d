"""The share of leavers for all customers: the baseline of churn models in level."""

from __future__ import annotations

from typing import Self

from growthlab.features.examples import Examples
from growthlab.models.base import ScoredEstimator
from growthlab.models.constant_answer import constant_scorer
from growthlab.training.fit_options import FitOptions


class Prior(ScoredEstimator):
    """The share of leavers among the labelled examples, for every customer."""

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn the share."""
        share = float(examples.labels("prior").mean())
        self.scorer_ = constant_scorer(examples.table, share)
        return self
