"""Brier skill: the reduction of the Brier score relative to predicting the prevalence."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.predictions import SumMetric
from growthlab.metrics.weighted_rows import divided


class BrierSkill(SumMetric):
    """1 - Brier / (p (1 - p)), p the prevalence: 1 is perfect, 0 is as good as predicting p.

    Unlike the Brier score it can be compared between windows with different prevalences. NaN for
    scores that are not probabilities, and where a class is missing. Murphy, Journal of Applied
    Meteorology 1973.

    Examples
    --------
    The Brier score is 0.255 and half of the customers left: 1 - 0.255 / 0.25.

    >>> left = np.array([1, 0, 1, 0])
    >>> risk = np.array([0.9, 0.8, 0.4, 0.1])
    >>> round(BrierSkill()(left, risk), 4)
    -0.02
    """

    name: ClassVar[str] = "brier_skill"
    larger_is_better: ClassVar[bool] = True
    of_probabilities: ClassVar[bool] = True

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `SumMetric.columns`."""
        return label, *Brier().columns(label, prediction)

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """See `SumMetric.of_sums`."""
        n_positive, squares = sums
        prevalence = divided(n_positive, n)
        spread = prevalence * (1 - prevalence)
        return 1 - divided(divided(squares, n), np.where(spread > 0, spread, 0.0))
