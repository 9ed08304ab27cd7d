"""Calibration error: the distance between predicted probabilities and observed shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.metrics.predictions import are_probabilities, equal_mass_bins, group_by_prediction


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error: mean over bins of |mean probability - share of positives|.

    The bins have equal mass; a tie across a border is shared between its bins. In [0, 1]; NaN for
    scores that are not probabilities. In a small sample it is above 0 by chance, and more so in a
    resample of it, so there are no bootstrap bounds. Naeini et al., AAAI 2015, with bins of equal
    mass instead of equal width.

    Examples
    --------
    In each of two bins one of two customers left, with mean probabilities of 0.85 and 0.25:
    (0.35 + 0.25) / 2.

    >>> left = np.array([1, 0, 1, 0])
    >>> risk = np.array([0.9, 0.8, 0.4, 0.1])
    >>> round(CalibrationError(bins=2)(left, risk), 4)
    0.3
    """

    bins: int = 10

    name: ClassVar[str] = "calibration_error"
    larger_is_better: ClassVar[bool] = False
    of_probabilities: ClassVar[bool] = True
    biased_by_resampling: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise ConfigError(f"bins of calibration_error must be at least 1, got {self.bins}")

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        if not are_probabilities(prediction):
            return np.nan
        observed, predicted = equal_mass_bins(
            group_by_prediction(label, prediction, weight), self.bins
        )
        return float(np.abs(predicted - observed).mean())
