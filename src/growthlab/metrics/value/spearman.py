"""Spearman: the rank correlation of prediction and label."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import row_weights
from growthlab.ranking.rank_correlation import rank_correlation


class Spearman:
    """Correlation of mid-ranks, in [-1, 1]; NaN where either side is constant."""

    name: ClassVar[str] = "spearman"
    larger_is_better: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        return rank_correlation(label, prediction, row_weights(label, weight))
