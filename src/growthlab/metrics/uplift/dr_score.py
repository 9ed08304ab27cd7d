"""DR-score: how near the predicted effects come to the doubly robust ones."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import SumMetric
from growthlab.metrics.uplift.base import Truth
from growthlab.metrics.weighted_rows import divided


class DrScore(SumMetric):
    """1 less the mean squared distance to the doubly robust effects over that of their mean.

    0 is no better than the average effect; values are small, as the effect of a single customer is
    mostly noise. The loss of `DRLearner`; Kennedy, Electronic Journal of Statistics 2023.

    Examples
    --------
    With an even chance of treatment the customers' effects are 2, 0, 0 and -2, 0 on average;
    the predictions miss two of them by 1: 1 - (1 + 1) / (4 + 4).

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 0, 1])
    >>> DrScore()(label, np.array([1, 0, 0, -1]))
    0.75
    """

    name: ClassVar[str] = "dr_score"
    larger_is_better: ClassVar[bool] = True
    of_effects: ClassVar[bool] = True

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `SumMetric.columns`."""
        effect = Truth.of(label).robust_effect
        return (effect - prediction) ** 2, effect, effect**2

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """See `SumMetric.of_sums`."""
        loss, effect, squares = sums
        return 1 - divided(loss, squares - divided(effect**2, n))
