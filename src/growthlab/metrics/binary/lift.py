"""Lift: how much denser the leavers are at the top of the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.metrics.predictions import cut, grouped


@dataclass(frozen=True)
class Lift:
    """Share of positives among the highest predictions, divided by the prevalence.

    The top is the `share` of all rows, rounded up; a tie at its border is averaged. 1 for a
    constant; NaN without positives.
    """

    share: float = 0.1

    larger_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"share of lift must lie in (0, 1], got {self.share}")

    @property
    def name(self) -> str:
        """``lift_at_10`` for a share of 0.1."""
        return f"lift_at_{100 * self.share:g}"

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        groups = grouped(label, prediction, weight)
        n, n_positive = groups.mass.sum(), groups.label.sum()
        if n_positive == 0:
            return np.nan
        n_top = np.ceil(round(self.share * n, 9))  # 0.1 * 30 is a little more than 3
        found, _ = cut(groups, n_top)
        return float((found / n_top) / (n_positive / n))
