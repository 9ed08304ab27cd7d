"""Brier skill: the reduction of the Brier score relative to predicting the prevalence."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.predictions import weighted_mean


class BrierSkill:
    """1 - Brier / (p (1 - p)), p the prevalence: 1 is perfect, 0 is as good as predicting p.

    Unlike the Brier score it can be compared between windows with different prevalences. NaN for
    scores that are not probabilities, and where a class is missing. Murphy, Journal of Applied
    Meteorology 1973.
    """

    name: ClassVar[str] = "brier_skill"
    larger_is_better: ClassVar[bool] = True
    of_probabilities: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        prevalence = weighted_mean(label, weight)
        spread = prevalence * (1 - prevalence)
        return 1 - Brier()(label, prediction, weight) / spread if spread > 0 else np.nan
