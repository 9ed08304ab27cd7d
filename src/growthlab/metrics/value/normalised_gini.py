"""Normalised Gini: how early the ranking finds the value, relative to a perfect order."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.weighted_rows import WeightedRows, divided


class NormalisedGini(OrderMetric):
    """Raw Gini of the order by prediction divided by that of the order by label; 1 is perfect.

    Raw Gini is (2 / n) times the sum over k of the first k customers' share of all value, minus 1.
    Ties in the prediction are averaged over all orders, so that the order of rows does not matter.
    NaN where the labels sum to 0. Wang et al., A Deep Probabilistic Model for Customer
    Lifetime Value Prediction, arXiv 1912.07753.

    Examples
    --------
    By prediction the first 1, 2 and 3 customers hold 1/4, 1 and 1 of the value, in the best order 3/4, 1
    and 1: (2 / 3 x 9 / 4 - 1) / (2 / 3 x 11 / 4 - 1).

    >>> spent = np.array([0, 10, 30])
    >>> predicted = np.array([5, 20, 10])
    >>> round(NormalisedGini()(spent, predicted), 4)
    0.6
    """

    name: ClassVar[str] = "normalised_gini"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        return divided(_raw_gini(rows), _raw_gini(rows.by_label))


def _raw_gini(rows: WeightedRows) -> np.ndarray:
    """(2 / n) sum_k c_k - 1, c_k the share of all value that the first k customers hold."""
    # within a group of g customers the share grows evenly: c_1 + ... + c_g = g c_0 + (g + 1) / 2 v
    before = rows.label_so_far - rows.label
    area = (rows.mass * before + rows.label * (rows.mass + 1.0) / 2).sum(axis=-1)
    return divided(2 * area, rows.label_total * rows.total) - 1
