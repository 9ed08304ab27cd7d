"""RMSE: the error of the predicted value, in which large errors weigh most."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import SumMetric
from growthlab.metrics.weighted_rows import divided


class RMSE(SumMetric):
    """Root of the mean squared error, in the unit of the label; NaN without rows.

    Examples
    --------
    The root of (5² + 0² + 10²) / 3.

    >>> spent = np.array([0, 10, 30])
    >>> predicted = np.array([5, 10, 20])
    >>> round(RMSE()(spent, predicted), 4)
    6.455
    """

    name: ClassVar[str] = "rmse"
    larger_is_better: ClassVar[bool] = False

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `SumMetric.columns`."""
        return ((prediction - label) ** 2,)

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """See `SumMetric.of_sums`."""
        return np.sqrt(divided(sums[0], n))
