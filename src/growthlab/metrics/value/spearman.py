"""Spearman: how well the order of the customers is foretold."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import weights_of


class Spearman:
    """Correlation of mid-ranks, in [-1, 1]; NaN where either side is constant."""

    name: ClassVar[str] = "spearman"
    larger_is_better: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        weight = weights_of(label, weight)
        ranks = [_mid_ranks(values, weight) for values in (label, prediction)]
        mean = (weight.sum() + 1) / 2
        x, y = (rank - mean for rank in ranks)
        scale = np.sqrt((weight @ x**2) * (weight @ y**2))
        return float(weight @ (x * y) / scale) if scale else np.nan


def _mid_ranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The mean rank of each row among rows repeated `weight` times, from 1; ties share theirs."""
    if not len(values):
        return values
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    mass = np.add.reduceat(weight[order], np.flatnonzero(starts))
    ranks = np.empty(len(values))
    ranks[order] = (np.cumsum(mass) - mass + (mass + 1) / 2)[np.cumsum(starts) - 1]
    return ranks
