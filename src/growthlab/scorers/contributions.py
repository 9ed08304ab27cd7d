"""Which item of a history contributes most to each listed item: the reason of a recommendation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.histories import UNKNOWN

PAIRS_AT_ONCE = 100_000  # pairs of a history's item and a listed item


def strongest_contributions(
    history: csr_matrix,
    listed: np.ndarray,
    weight: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """The history's item i with the largest ``history[u, i] * weight(i, j)`` above 0, for each j.

    Parameters
    ----------
    history : users x items, the weight of each item of a history
    listed : ``(n_users, k)`` item codes j, `UNKNOWN` after the end of a list
    weight : codes i and j of the same shape -> the contribution of i to j; i = j does not count

    Returns
    -------
    ``(n_users, k)`` item codes i, `UNKNOWN` where no item contributes; the first of equal ones.
    """
    out = np.full(listed.shape, UNKNOWN, dtype=np.int32)
    sizes, k = np.diff(history.indptr), listed.shape[1]
    ends = np.cumsum(sizes.astype(np.int64) * max(k, 1))
    first = 0
    while first < len(sizes):
        begun = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, begun + PAIRS_AT_ONCE, side="right")))
        rows = slice(first, last)
        out[rows] = _strongest(history[rows], listed[rows], weight)
        first = last
    return out


def _strongest(
    history: csr_matrix,
    listed: np.ndarray,
    weight: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    sizes = np.diff(history.indptr)
    out = np.full(listed.shape, UNKNOWN, dtype=np.int32)
    with_history = np.flatnonzero(sizes)
    if not len(with_history) or not listed.shape[1]:
        return out
    owners = np.repeat(np.arange(len(sizes)), sizes)
    targets = listed[owners]  # (n_pairs, k)
    own = np.broadcast_to(history.indices[:, None], targets.shape)
    weights = weight(own.ravel(), np.maximum(targets, 0).ravel()).reshape(targets.shape)
    contributions = weights * history.data[:, None]
    contributions = np.where((targets == UNKNOWN) | (targets == own), 0, contributions)
    starts = history.indptr[:-1][with_history]
    largest = np.maximum.reduceat(contributions, starts, axis=0)
    row_of = np.cumsum(sizes > 0) - 1  # of each user among those with a history
    is_largest = contributions == largest[row_of[owners]]
    places = np.where(is_largest, np.arange(len(owners))[:, None], len(owners))
    chosen = history.indices[np.minimum.reduceat(places, starts, axis=0)]
    out[with_history] = np.where(largest > 0, chosen, UNKNOWN)
    return out
