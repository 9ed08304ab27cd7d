"""Gain: the share of all leavers that are at the top of the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.metrics.binary.base import TopShare
from growthlab.metrics.weighted_rows import WeightedRows, divided


@dataclass(frozen=True)
class Gain(TopShare):
    """Positives among the highest predictions, divided by all positives.

    See `TopShare`. In [0, 1], about `share` for a constant; NaN without positives.

    Examples
    --------
    The quarter with the highest risk is one customer, one of the two leavers.

    >>> left = np.array([1, 0, 1, 0])
    >>> risk = np.array([0.9, 0.8, 0.4, 0.1])
    >>> Gain(share=0.25)(left, risk)
    0.5
    """

    kind: ClassVar[str] = "gain"

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        top = self._top(rows)
        return divided(top.n_found, top.n_positive)
