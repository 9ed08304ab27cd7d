"""Qini as causalml computes it: relative to the gain of treating everybody."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.uplift.base import ArmsSoFar, straight_until_defined, sum_of_places
from growthlab.metrics.weighted_rows import WeightedRows, divided


class QiniCausalml(OrderMetric):
    """Mean height of the Qini curve above its diagonal, over the height at its end.

    The curve is `ArmsSoFar.qini`, a line as long as nobody is in the control; outcomes are of any kind.
    0 for a random order; NaN where the arm gained nothing. ``causalml.metrics.qini_score``, 0.18; where
    that orders ties by chance they are spread evenly here.

    Examples
    --------
    The curve is 1/2, 1, 2, 1 and its diagonal 1/4, 1/2, 3/4, 1: (9/2 - 5/2) / 5 over a height of 1.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 1, 1])
    >>> QiniCausalml()(label, np.array([4, 3, 2, 1]))
    0.4
    """

    name: ClassVar[str] = "qini_causalml"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        arms = ArmsSoFar.of(rows)
        curve = straight_until_defined(arms.n, arms.qini(), arms.n_control > 0)
        n, end = arms.n[:, -1], curve[:, -1]
        above = sum_of_places(arms.n, curve) - (n + 1) * end / 2
        return divided(above / (n + 1), np.abs(end))
