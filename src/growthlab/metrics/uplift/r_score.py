"""R-score: how much of the outcome's variation by arm the predicted effects explain."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import SumMetric
from growthlab.metrics.uplift.base import Truth
from growthlab.metrics.weighted_rows import divided


class RScore(SumMetric):
    """1 less the R-loss over that of the best constant effect; 0 is no better than the average effect.

    The R-loss is the sum of ((Y - m) - effect (W - e))^2, with m the expected outcome of `Truth`.
    Nie & Wager, Biometrika 2021; ``econml.score.RScorer`` with these m and e.

    Examples
    --------
    Expected outcomes are 0, W - e is 1/2 or -1/2, and the best constant effect is 0, with a loss of
    1 + 1: 1 - (1/4 + 1/4) / 2.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 0, 1])
    >>> RScore()(label, np.array([1, 0, 0, -1]))
    0.75
    """

    name: ClassVar[str] = "r_score"
    larger_is_better: ClassVar[bool] = True
    of_effects: ClassVar[bool] = True

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `SumMetric.columns`."""
        truth = Truth.of(label)
        y, w = truth.outcome - truth.expected, truth.treated - truth.propensity
        return (y - prediction * w) ** 2, y * y, y * w, w * w

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """See `SumMetric.of_sums`."""
        loss, yy, yw, ww = sums
        return 1 - divided(loss, yy - divided(yw**2, ww))
