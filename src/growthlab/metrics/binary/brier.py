"""Brier score: the squared error of a probability."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import are_probabilities, weighted_mean


class Brier:
    """Mean squared difference of probability and label, in [0, 1].

    NaN for scores that are not probabilities. Brier, Monthly Weather Review 1950.
    """

    name: ClassVar[str] = "brier"
    larger_is_better: ClassVar[bool] = False
    of_probabilities: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        if not are_probabilities(prediction):
            return np.nan
        return weighted_mean((prediction - label) ** 2, weight)
