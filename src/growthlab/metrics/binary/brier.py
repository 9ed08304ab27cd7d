"""Brier score: the squared error of a probability."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import SumMetric, are_probabilities
from growthlab.metrics.weighted_rows import divided


class Brier(SumMetric):
    """Mean squared difference of probability and label, in [0, 1].

    NaN for scores that are not probabilities. Brier, Monthly Weather Review 1950.
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
