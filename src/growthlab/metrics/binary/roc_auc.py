"""ROC AUC: how well leavers are ranked above stayers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import grouped


class RocAuc:
    """Chance that a random positive has a higher prediction than a random negative, ties one half.

    In [0, 1], 0.5 for a constant; NaN where a class is missing.
    """

    name: ClassVar[str] = "roc_auc"
    larger_is_better: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        groups = grouped(label, prediction, weight)
        positive, negative = groups.label, groups.mass - groups.label
        pairs = positive.sum() * negative.sum()
        if pairs == 0:
            return np.nan
        lower = negative.sum() - np.cumsum(negative)
        return float((positive * (lower + negative / 2)).sum() / pairs)
