"""Spearman: the rank correlation of prediction and label."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.weighted_rows import WeightedRows, divided


class Spearman(OrderMetric):
    """Correlation of mid-ranks, in [-1, 1]; NaN where either side is constant.

    Examples
    --------
    Ranks 1, 2, 3 are predicted as 1, 3, 2: 1 - 6 (0 + 1 + 1) / (3 (9 - 1)).

    >>> spent = np.array([0, 10, 30])
    >>> predicted = np.array([5, 20, 10])
    >>> Spearman()(spent, predicted)
    0.5
    """

    name: ClassVar[str] = "spearman"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        other, mean = rows.by_label, (rows.total[:, None] + 1) / 2
        x = np.take(rows.mid_ranks, other.ranking.order, axis=1) - mean
        y, weights = other.mid_ranks - mean, other.weights
        covariance, own, others = ((weights * a).sum(axis=-1) for a in (x * y, x**2, y**2))
        return divided(covariance, np.sqrt(own * others))
