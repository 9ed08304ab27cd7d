"""Average precision: the area under the precision-recall curve, as a sum of steps."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import group_by_prediction


class AveragePrecision:
    """Precision at each threshold, weighted by the recall that the threshold adds.

    Equal predictions share a threshold. (Trapezoids under the same points would overestimate the
    area.) In [0, 1], the prevalence for a constant; NaN without positives.
    """

    name: ClassVar[str] = "average_precision"
    larger_is_better: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        groups = group_by_prediction(label, prediction, weight)
        total = groups.label.sum()
        if total == 0:
            return np.nan
        n_above = np.cumsum(groups.mass)
        precision = np.cumsum(groups.label) / np.maximum(n_above, 1)
        return float((precision * groups.label).sum() / total)
