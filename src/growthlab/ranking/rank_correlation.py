"""Rank correlation, of evaluation and monitoring alike."""

from __future__ import annotations

import numpy as np


def rank_correlation(one: np.ndarray, other: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Spearman's correlation of mid-ranks, in [-1, 1]; NaN where either side is constant or empty.

    `weight` says how often each row counts: the value is that of the repeated rows.
    """
    weight = np.ones(len(one)) if weight is None else weight
    mean = (weight.sum() + 1) / 2
    x, y = (_mid_ranks(values, weight) - mean for values in (one, other))
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
