"""Brier score: the squared error of a probability."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import SumMetric, are_probabilities
from growthlab.metrics.weighted_rows import divided


class Brier(SumMetric):
    """Mean squared difference of probability and label, in [0, 1].

    NaN for scores that are not probabilities. Brier, Monthly Weather Review 1950.

    Examples
    --------
    (0.1² + 0.8² + 0.6² + 0.1²) / 4.

    >>> left = np.array([1, 0, 1, 0])
    >>> risk = np.array([0.9, 0.8, 0.4, 0.1])
    >>> round(Brier()(left, risk), 4)
    0.255
    """

    name: ClassVar[str] = "brier"
    larger_is_better: ClassVar[bool] = False
    of_probabilities: ClassVar[bool] = True

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `SumMetric.columns`."""
        if not are_probabilities(prediction):
            return (np.full(len(label), np.nan),)
        return ((prediction - label) ** 2,)

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """See `SumMetric.of_sums`."""
        return divided(sums[0], n)
