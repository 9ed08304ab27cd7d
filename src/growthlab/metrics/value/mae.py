"""MAE: the mean absolute error of the predicted value."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import SumMetric
from growthlab.metrics.weighted_rows import divided


class MAE(SumMetric):
    """Mean absolute error, in the unit of the label; NaN without rows.

    Examples
    --------
    (5 + 0 + 10) / 3.

    >>> spent = np.array([0, 10, 30])
    >>> predicted = np.array([5, 10, 20])
    >>> MAE()(spent, predicted)
    5.0
    """

    name: ClassVar[str] = "mae"
    larger_is_better: ClassVar[bool] = False

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `SumMetric.columns`."""
        return (np.abs(prediction - label),)

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """See `SumMetric.of_sums`."""
        return divided(sums[0], n)
