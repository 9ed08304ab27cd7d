"""Calibration of effects: the distance between predicted and observed effects by tenth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.metrics.predictions import equal_mass_bins, group_by_prediction
from growthlab.metrics.uplift.base import Truth


@dataclass(frozen=True)
class EffectCalibration:
    """Mean over bins of equal mass of |mean predicted - mean doubly robust effect|; 0 is perfect.

    In the unit of the outcome. It is above 0 by chance, more so in a resample, so it has no bounds.

    Examples
    --------
    With an even chance of treatment the customers' effects are 2, 0, 0 and -2: the upper half has a
    mean of 1, predicted as 1.5, the lower one -1, predicted as -1.5.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 0, 1])
    >>> EffectCalibration(bins=2)(label, np.array([2, 1, -1, -2]))
    0.5
    """

    bins: int = 10

    name: ClassVar[str] = "effect_calibration"
    larger_is_better: ClassVar[bool] = False
    of_effects: ClassVar[bool] = True
    biased_by_resampling: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise ConfigError(f"bins of effect_calibration must be at least 1, got {self.bins}")

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        groups = group_by_prediction(Truth.of(label).robust_effect, prediction, weight)
        observed, predicted = equal_mass_bins(groups, self.bins)
        return float(np.abs(predicted - observed).mean())
