"""RATE with the weights of the Qini curve: the area between its gain and the diagonal."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.uplift.base import Truth, sum_of_places
from growthlab.metrics.weighted_rows import WeightedRows, divided


class RateQini(OrderMetric):
    """The mean over k of (k / n) TOC(k), see `Autoc`: deep parts of the list count more than its top.

    In the unit of the outcome, 0 for an order that says nothing; outcomes are of any kind, and its
    noise is less than that of `Autoc` where many customers are affected. Yadlowsky et al., JASA 2025
    (``target = "QINI"`` of grf).

    Examples
    --------
    With an even chance of treatment the customers' effects are 2, 0, 0 and -2, 0 on average;
    (k / n) TOC(k) is 1/2, 1/2, 1/2 and 0.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 0, 1])
    >>> RateQini()(label, np.array([4, 3, 2, 1]))
    0.375
    """

    name: ClassVar[str] = "rate_qini"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        scores = rows.so_far(Truth.of(rows.ranking.label).robust_effect)
        n = rows.total
        above = sum_of_places(rows.mass_so_far.astype(float), scores) - scores[:, -1] * (n + 1) / 2
        return divided(above, n**2)
