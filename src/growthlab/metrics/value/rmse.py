"""RMSE: the error of the predicted value, in which large errors weigh most."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import weighted_mean


class RMSE:
    """Root of the mean squared error, in the unit of the label; NaN without rows."""

    name: ClassVar[str] = "rmse"
    larger_is_better: ClassVar[bool] = False

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        return float(np.sqrt(weighted_mean((prediction - label) ** 2, weight)))
