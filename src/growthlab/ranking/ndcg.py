"""NDCG of ranked lists: the same formula for the metric and for models that choose by it."""

from __future__ import annotations

import numpy as np


def ndcg(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """NDCG of each list, ``(n,)``, from its hits by place ``(n, k)`` and its number of relevant items.

    The gain of a hit at place j is 1 / log2(j + 1); the ideal list has min(k, relevant) hits at its
    top. Järvelin & Kekäläinen, TOIS 2002.

    >>> ndcg(np.array([[True, False], [False, True]]), np.array([1, 1])).round(3)
    array([1.   , 0.631])
    """
    n_lists, k = hits.shape
    gains = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(gains)[np.clip(n_relevant, 1, k) - 1]
    rows, places = np.nonzero(hits)  # few of all places
    return np.bincount(rows, gains[places], minlength=n_lists) / ideal
