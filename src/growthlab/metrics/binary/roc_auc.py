"""ROC AUC: how well leavers are ranked above stayers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import group_by_prediction, row_weights


class RocAuc:
    """Probability that a random positive has a higher prediction than a random negative; ties count half.

    In [0, 1], 0.5 for a constant; NaN where a class is missing.
    """

    name: ClassVar[str] = "roc_auc"
    larger_is_better: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        return float(self.on_resamples(label, prediction, row_weights(label, weight)[None])[0])

    def on_resamples(
        self, label: np.ndarray, prediction: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """See `OnResamples`."""
        groups = group_by_prediction(label, prediction, weights)
        positive, negative = groups.label, groups.mass - groups.label
        n_negative = negative.sum(axis=-1)
        pairs = positive.sum(axis=-1) * n_negative
        lower = n_negative[:, None] - np.cumsum(negative, axis=-1)
        n_correct = (positive * (lower + negative / 2)).sum(axis=-1)
        return np.divide(n_correct, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
