"""Log-RMSE: by how many times the value is missed."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import weighted_mean


class LogRMSE:
    """Root of the mean squared difference of log(1 + prediction) and log(1 + label).

    A negative prediction or label counts as 0; NaN without rows. Secondary only: where most labels
    are 0, one constant for everybody may beat a good model on it.
    """

    name: ClassVar[str] = "log_rmse"
    larger_is_better: ClassVar[bool] = False

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        stated, real = (np.log1p(np.maximum(v, 0.0)) for v in (prediction, label))
        return float(np.sqrt(weighted_mean((stated - real) ** 2, weight)))
