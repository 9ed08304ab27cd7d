"""Log loss: the negative log-likelihood of the labels under the probabilities."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import are_probabilities, weighted_mean


class LogLoss:
    """Mean negative log-likelihood in nats; NaN for scores that are not probabilities.

    Probabilities are clipped by the machine epsilon, so that a wrong 0 or 1 gives a finite loss.
    """

    name: ClassVar[str] = "log_loss"
    larger_is_better: ClassVar[bool] = False
    of_probabilities: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        if not are_probabilities(prediction):
            return np.nan
        epsilon = np.finfo(float).eps
        p = np.clip(prediction, epsilon, 1 - epsilon)
        return weighted_mean(-(label * np.log(p) + (1 - label) * np.log1p(-p)), weight)
