"""The average effect: what the arm changes in the mean outcome of all customers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import SumMetric
from growthlab.metrics.uplift.base import Truth
from growthlab.metrics.weighted_rows import divided


class AverageEffect(SumMetric):
    """The mean of the doubly robust effects: what is known without skill, the same for all models.

    In the unit of the outcome. With known propensities it is unbiased whatever the expected outcomes
    are. Robins, Rotnitzky & Zhao, JASA 1994.

    Examples
    --------
    The outcomes of the treated have a mean of 1, the others 1/2.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 1, 1])
    >>> AverageEffect()(label, np.zeros(4))
    0.5
    """

    name: ClassVar[str] = "average_effect"
    larger_is_better: ClassVar[bool] = True

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `SumMetric.columns`."""
        return (Truth.of(label).robust_effect,)

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """See `SumMetric.of_sums`."""
        (effect,) = sums
        return divided(effect, n)
