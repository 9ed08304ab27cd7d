"""Normalised Gini: how early the ranking finds the value, relative to a perfect order."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import group_by_prediction, row_weights


class NormalisedGini:
    """Raw Gini of the order by prediction divided by that of the order by label; 1 is perfect.

    Raw Gini is (2 / n) times the sum over k of the first k customers' share of all value, minus 1.
    Ties in the prediction are averaged over all orders, so that the order of rows does not matter.
    NaN where the labels sum to 0. Wang et al., A Deep Probabilistic Model for Customer
    Lifetime Value Prediction, arXiv 1912.07753.
    """

    name: ClassVar[str] = "normalised_gini"
    larger_is_better: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        return float(self.on_resamples(label, prediction, row_weights(label, weight)[None])[0])

    def on_resamples(
        self, label: np.ndarray, prediction: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """See `OnResamples`."""
        own, perfect = (_raw_gini(label, by, weights) for by in (prediction, label))
        return np.divide(own, perfect, out=np.full(len(weights), np.nan), where=perfect != 0)


def _raw_gini(label: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(2 / n) sum_k c_k - 1, c_k the share of all value that the first k customers hold."""
    mass, value, _ = group_by_prediction(label, prediction, weights)
    total = value.sum(axis=-1)
    # within a group of g customers the share grows evenly: c_1 + ... + c_g = g c_0 + (g + 1) / 2 v
    before = np.cumsum(value, axis=-1) - value
    area = (mass * before + value * (mass + 1) / 2).sum(axis=-1)
    below = total * mass.sum(axis=-1)
    return np.divide(2 * area, below, out=np.full(len(weights), np.nan), where=below != 0) - 1
