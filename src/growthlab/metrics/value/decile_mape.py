"""Decile calibration: the relative error of the mean prediction in each tenth of the ranking."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import equal_mass_bins, group_by_prediction


class DecileMape:
    """Mean over ten groups of |mean prediction - mean label| / mean label.

    The groups have equal size, in the order of predictions; a tie across a border is shared. A group
    whose labels sum to 0 or less has no percentage and is left out; NaN if all are. Chance increases
    it, and resampling more so: there are no bootstrap bounds.

    Examples
    --------
    Each of two customers is five of the ten groups: (|11 - 10| / 10 + |10 - 20| / 20) / 2.

    >>> round(DecileMape()(np.array([10, 20]), np.array([11, 10])), 4)
    0.3
    """

    name: ClassVar[str] = "decile_mape"
    larger_is_better: ClassVar[bool] = False
    biased_by_resampling: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        actual, predicted = equal_mass_bins(group_by_prediction(label, prediction, weight), 10)
        kept = actual > 0
        if not kept.any():
            return np.nan
        return float((np.abs(predicted - actual)[kept] / actual[kept]).mean())
