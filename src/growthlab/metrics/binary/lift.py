"""Lift: the share of leavers at the top of the list, relative to that of all customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.metrics.binary.base import TopShare


@dataclass(frozen=True)
class Lift(TopShare):
    """Share of positives among the highest predictions, divided by the prevalence.

    See `TopShare`. 1 for a constant; NaN without positives.
    """

    kind: ClassVar[str] = "lift"

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        top = self._top(label, prediction, weight)
        if top.n_positive == 0:
            return np.nan
        return (top.n_found / top.n_top) / (top.n_positive / top.n)
