"""Log-RMSE: the error of the value as a ratio."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import SumMetric
from growthlab.metrics.weighted_rows import divided


class LogRMSE(SumMetric):
    """Root of the mean squared difference of log(1 + prediction) and log(1 + label).

    A negative prediction or label counts as 0; NaN without rows. Use it only as a secondary metric:
    where most labels are 0, a constant may beat a good model.

    Examples
    --------
    The root of (ln(2 / 1)² + ln(4 / 4)²) / 2.

    >>> round(LogRMSE()(np.array([0, 3]), np.array([1, 3])), 4)
    0.4901
    """

    name: ClassVar[str] = "log_rmse"
    larger_is_better: ClassVar[bool] = False

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `SumMetric.columns`."""
        predicted, actual = (np.log1p(np.maximum(v, 0.0)) for v in (prediction, label))
        return ((predicted - actual) ** 2,)

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """See `SumMetric.of_sums`."""
        return np.sqrt(divided(sums[0], n))
