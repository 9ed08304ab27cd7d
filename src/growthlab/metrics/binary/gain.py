"""Gain: the share of all leavers that are at the top of the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.metrics.binary.base import TopShare


@dataclass(frozen=True)
class Gain(TopShare):
    """Positives among the highest predictions, divided by all positives.

    See `TopShare`. In [0, 1], about `share` for a constant; NaN without positives.
    """

    kind: ClassVar[str] = "gain"

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        top = self._top(label, prediction, weight)
        return top.n_found / top.n_positive if top.n_positive else np.nan
