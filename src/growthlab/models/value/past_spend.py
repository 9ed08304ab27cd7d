"""Past spend: customers who spent much will spend much; the baseline of value models in rank."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.features.customer_table import WINDOWS
from growthlab.features.examples import Examples
from growthlab.models.base import ScoredEstimator
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.training.fit_options import FitOptions


class PastSpend(ScoredEstimator):
    """Spend in the trailing window, times the factor that makes the total right on the examples.

    `window_days` is one of the windows of the customer table, or None: all spend so far.
    """

    reads_events: ClassVar[bool] = True

    def __init__(self, window_days: int | None = 365) -> None:
        if window_days is not None and window_days not in WINDOWS:
            possible = ", ".join(map(str, WINDOWS))
            raise ConfigError(f"window_days={window_days}: possible are {possible} and null")
        self.window_days = window_days

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn the factor; it is 1 if nothing was spent before."""
        value = examples.labels("past_spend")
        column = "spend" if self.window_days is None else f"spend_{self.window_days}d"
        spent = float(examples.table[column].sum())
        factor = max(float(value.sum()) / spent, 0.0) if spent > 0 else 1.0
        self.scorer_ = CurveRowScorer(column, np.zeros(1), np.zeros(1), 0.0, factor)
        return self
