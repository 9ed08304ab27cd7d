"""Log loss: the negative log-likelihood of the labels under the probabilities."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import SumMetric, are_probabilities
from growthlab.metrics.weighted_rows import divided


class LogLoss(SumMetric):
    """Mean negative log-likelihood in nats; NaN for scores that are not probabilities.

    Probabilities are clipped by the machine epsilon, so that a wrong 0 or 1 gives a finite loss.

    Examples
    --------
    -(ln(0.8) + ln(1 - 0.5)) / 2.

    >>> round(LogLoss()(np.array([1, 0]), np.array([0.8, 0.5])), 4)
    0.4581
    """

    name: ClassVar[str] = "log_loss"
    larger_is_better: ClassVar[bool] = False
    of_probabilities: ClassVar[bool] = True

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `SumMetric.columns`."""
        if not are_probabilities(prediction):
            return (np.full(len(label), np.nan),)
        epsilon = np.finfo(float).eps
        p = np.clip(prediction, epsilon, 1 - epsilon)
        return (-(label * np.log(p) + (1 - label) * np.log1p(-p)),)

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """See `SumMetric.of_sums`."""
        return divided(sums[0], n)
