"""The common part of lift and gain: the leavers among the highest predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.weighted_rows import WeightedRows


class TopCounts(NamedTuple):
    """Rows and positives at the top and in total, a value a resample.

    `n_found` may be a fraction, as ties are averaged.
    """

    n_found: np.ndarray
    n_top: np.ndarray
    n_positive: np.ndarray
    n: np.ndarray


@dataclass(frozen=True)
class TopShare(OrderMetric):
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

    def _top(self, rows: WeightedRows) -> TopCounts:
        """The positives at the top."""
        return rows.once(("top", self.share), lambda: _top(rows, self.share))


def _top(rows: WeightedRows, share: float) -> TopCounts:
    n_top = np.ceil(np.round(share * rows.total, 9))  # 0.1 * 30 is a little more than 3
    return TopCounts(rows.label_of_first(n_top), n_top, rows.label_total, rows.total)
