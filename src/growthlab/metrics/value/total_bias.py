"""Total bias: whether the sum of the predictions is too high or too low."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import SumMetric
from growthlab.metrics.weighted_rows import divided


class TotalBias(SumMetric):
    """Sum of predictions divided by sum of labels, minus 1.

    Best at 0, so it cannot be an objective: neither sign is better. NaN where the labels sum to 0.

    Examples
    --------
    35 predicted of 40.

    >>> spent = np.array([0, 10, 30])
    >>> predicted = np.array([5, 10, 20])
    >>> TotalBias()(spent, predicted)
    -0.125
    """

    name: ClassVar[str] = "total_bias"
    larger_is_better: ClassVar[bool] = False

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `SumMetric.columns`."""
        return label, prediction

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """See `SumMetric.of_sums`."""
        actual, predicted = sums
        return divided(predicted, actual) - 1
