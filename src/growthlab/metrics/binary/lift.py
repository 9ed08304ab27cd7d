"""Lift: the share of leavers at the top of the list, relative to that of all customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.metrics.binary.base import TopShare
from growthlab.metrics.weighted_rows import WeightedRows, divided


@dataclass(frozen=True)
class Lift(TopShare):
    """Share of positives among the highest predictions, divided by the prevalence.

    See `TopShare`. 1 for a constant; NaN without positives.

    Examples
    --------
    The quarter with the highest risk is one customer, who left; of all one half did: 1 / 0.5.

    >>> left = np.array([1, 0, 1, 0])
    >>> risk = np.array([0.9, 0.8, 0.4, 0.1])
    >>> Lift(share=0.25)(left, risk)
    2.0
    """

    kind: ClassVar[str] = "lift"

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        top = self._top(rows)
        return divided(divided(top.n_found, top.n_top), divided(top.n_positive, top.n))
