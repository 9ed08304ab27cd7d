"""Rank correlation of two lists of scores."""

from __future__ import annotations

import numpy as np


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation of mid-ranks, in [-1, 1]; NaN where either side is constant or empty."""
    mean = (len(one) + 1) / 2
    x, y = (_mid_ranks(values) - mean for values in (one, other))
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale else np.nan


def _mid_ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value, from 1; equal values share their mean rank."""
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(size) - (size - 1) / 2)[group]
