"""Decile calibration: how far predicted and real value lie apart along the ranking."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import bins_of, grouped


class DecileMape:
    """Mean over ten groups of |mean prediction - mean label| / mean label.

    The groups have equal size and are cut by rank of prediction; a tie across a border is shared. A
    group whose labels sum to 0 or less has no percentage and is left out; NaN where all are. Chance
    adds to it, and resampling more: there are no bootstrap bounds.
    """

    name: ClassVar[str] = "decile_mape"
    larger_is_better: ClassVar[bool] = False
    biased_by_resampling: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        actual, stated = bins_of(grouped(label, prediction, weight), 10)
        kept = actual > 0
        return (
            float((np.abs(stated - actual)[kept] / actual[kept]).mean()) if kept.any() else np.nan
        )
