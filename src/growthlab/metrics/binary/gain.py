"""Gain: how many of all leavers stand at the top of the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.metrics.predictions import cut, grouped


@dataclass(frozen=True)
class Gain:
    """Positives among the highest predictions, divided by all positives.

    The top is the `share` of all rows, rounded up; a tie at its border is averaged. In [0, 1], about
    `share` for a constant; NaN without positives.
    """

    share: float = 0.1

    larger_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"share of gain must lie in (0, 1], got {self.share}")

    @property
    def name(self) -> str:
        """``gain_at_10`` for a share of 0.1."""
        return f"gain_at_{100 * self.share:g}"

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        groups = grouped(label, prediction, weight)
        n, n_positive = groups.mass.sum(), groups.label.sum()
        if n_positive == 0:
            return np.nan
        found, _ = cut(groups, np.ceil(round(self.share * n, 9)))  # 0.1 * 30 is more than 3
        return float(found / n_positive)
