"""Total bias: whether the sum of the predictions is too high or too low."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import row_weights


class TotalBias:
    """Sum of predictions divided by sum of labels, minus 1.

    Best at 0, so it cannot be an objective: neither sign is better. NaN where the labels sum to 0.
    """

    name: ClassVar[str] = "total_bias"
    larger_is_better: ClassVar[bool] = False

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        weight = row_weights(label, weight)
        total = weight @ label
        return float(weight @ prediction / total - 1) if total else np.nan
