"""Normalised Gini: how much of the value is found early, against a perfect order."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import grouped


class NormalisedGini:
    """Raw Gini of the order by prediction divided by that of the order by label; 1 is perfect.

    Raw Gini is (2 / n) times the sum over k of the first k customers' share of all value, minus 1.
    Ties in the prediction are averaged over all orders, so that nothing depends on the order of
    rows. NaN where the labels sum to 0. Wang et al., A Deep Probabilistic Model for Customer
    Lifetime Value Prediction, arXiv 1912.07753.
    """

    name: ClassVar[str] = "normalised_gini"
    larger_is_better: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        perfect = _raw_gini(label, label, weight)
        return _raw_gini(label, prediction, weight) / perfect if perfect else np.nan


def _raw_gini(label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> float:
    """(2 / n) sum_k c_k - 1, c_k the share of all value that the first k customers hold."""
    mass, value, _ = grouped(label, prediction, weight)
    total = value.sum()
    if total == 0:
        return np.nan
    # Inside a group of g customers the share grows evenly: c_1 + ... + c_g = g c_0 + (g + 1) / 2 v.
    before = np.cumsum(value) - value
    area = (mass * before + value * (mass + 1) / 2).sum() / total
    return float(2 * area / mass.sum() - 1)
