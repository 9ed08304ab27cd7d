"""The common part of lift and gain: the leavers among the highest predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.metrics.predictions import group_by_prediction, sums_of_first


class Top(NamedTuple):
    """Rows and positives at the top and in total; `n_found` may be a fraction, as ties are averaged."""

    n_found: float
    n_top: float
    n_positive: float
    n: float


@dataclass(frozen=True)
class TopShare:
    """A metric of the `share` of all rows with the highest predictions, rounded up.

    A tie at the border is averaged over all orders.
    """

    share: float = 0.1

    kind: ClassVar[str] = ""
    larger_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"share of {self.kind} must lie in (0, 1], got {self.share}")

    @property
    def name(self) -> str:
        """The kind and the share: ``lift_at_10`` for a share of 0.1."""
        return f"{self.kind}_at_{100 * self.share:g}"

    def _top(self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> Top:
        """The positives at the top."""
        groups = group_by_prediction(label, prediction, weight)
        n = float(groups.mass.sum())
        n_top = float(np.ceil(round(self.share * n, 9)))  # 0.1 * 30 is a little more than 3
        n_found, _ = sums_of_first(groups, np.array(n_top))
        return Top(float(n_found), n_top, float(groups.label.sum()), n)
