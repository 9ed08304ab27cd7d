"""Log-RMSE: the error of the value as a ratio."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import weighted_mean


class LogRMSE:
    """Root of the mean squared difference of log(1 + prediction) and log(1 + label).

    A negative prediction or label counts as 0; NaN without rows. Use it only as a secondary metric:
    where most labels are 0, a constant may beat a good model.
    """

    name: ClassVar[str] = "log_rmse"
    larger_is_better: ClassVar[bool] = False

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        predicted, actual = (np.log1p(np.maximum(v, 0.0)) for v in (prediction, label))
        return float(np.sqrt(weighted_mean((predicted - actual) ** 2, weight)))
