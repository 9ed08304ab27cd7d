"""MAE: the mean absolute error of the predicted value."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import weighted_mean


class MAE:
    """Mean absolute error, in the unit of the label; NaN without rows."""

    name: ClassVar[str] = "mae"
    larger_is_better: ClassVar[bool] = False

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        return weighted_mean(np.abs(prediction - label), weight)
