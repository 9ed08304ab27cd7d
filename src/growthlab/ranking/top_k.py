"""Exact best-first lists from scores: the same code ranks in evaluation and in serving."""

from __future__ import annotations

import numpy as np

from growthlab.ranking.ties import TieBreak


def top_k(scores: np.ndarray, k: int, ties: TieBreak) -> tuple[np.ndarray, np.ndarray]:
    """The best `k` items a user, best first, and their scores; shapes ``(n_users, k)``, int32 and
    float32.

    Scores are compared as float32, so that mathematically equal ones tie; equal ones are ordered by
    `ties`. An item with a score of ``-inf`` is never listed: a list with fewer than `k` items ends
    in -1 (score ``-inf``). `scores` must not hold NaN: see
    `growthlab.ranking.fallback.fill_unscored`.

    >>> ties = TieBreak.of(np.array(["u"]), np.array(["a", "b", "c"]), seed=0)
    >>> top_k(np.array([[0.1, -np.inf, 0.9]]), 3, ties)[0]
    array([[ 2,  0, -1]], dtype=int32)
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    scores = np.asarray(scores, dtype=np.float32)
    n_users, n_items = scores.shape
    n_listed = min(k, n_items)
    items = np.full((n_users, k), -1, dtype=np.int32)
    values = np.full((n_users, k), -np.inf, dtype=np.float32)
    if not n_users or not n_listed:
        return items, values

    best = _best(scores, n_listed, ties)
    best_scores = np.take_along_axis(scores, best, axis=1)
    keys = ties.keys(np.arange(n_users)[:, None], best)
    order = np.lexsort((keys, -best_scores), axis=-1)
    best, best_scores = (
        np.take_along_axis(best, order, 1),
        np.take_along_axis(best_scores, order, 1),
    )
    items[:, :n_listed] = np.where(best_scores > -np.inf, best, -1)
    values[:, :n_listed] = best_scores
    return items, values


def _best(scores: np.ndarray, k: int, ties: TieBreak) -> np.ndarray:
    """Which `k` items a user have the best scores, in any order, ``(n_users, k)``."""
    n_items = scores.shape[1]
    if k == n_items:
        return np.broadcast_to(np.arange(n_items), scores.shape)
    best = np.argpartition(scores, n_items - k, axis=1)[:, n_items - k :]
    listed = np.take_along_axis(scores, best, axis=1)
    border = listed.min(axis=1, keepdims=True)
    n_tied_listed = (listed == border).sum(axis=1)
    n_tied = (scores == border).sum(axis=1)
    open_rows = np.flatnonzero((n_tied > n_tied_listed) & (border[:, 0] > -np.inf))
    if len(open_rows):
        best[open_rows] = _settle(scores, best, border, open_rows, ties)
    return best


def _settle(
    scores: np.ndarray, best: np.ndarray, border: np.ndarray, rows: np.ndarray, ties: TieBreak
) -> np.ndarray:
    """`best` of the rows whose border score is shared inside and outside, by smallest key."""
    local, tied = np.nonzero(scores[rows] == border[rows])
    counts = np.bincount(local, minlength=len(rows))
    place = np.arange(len(local)) - np.repeat(np.cumsum(counts) - counts, counts)
    # Only the tied items get a key; the rest of the (rows, most tied) table sorts behind them.
    keys = np.full((len(rows), counts.max()), np.iinfo(np.uint64).max, dtype=np.uint64)
    keys[local, place] = ties.keys(rows[local], tied)
    candidates = np.full(keys.shape, -1, dtype=best.dtype)
    candidates[local, place] = tied
    n_open = min(best.shape[1], keys.shape[1])
    if n_open < keys.shape[1]:
        first = np.argpartition(keys, n_open - 1, axis=1)[:, :n_open]
        keys, candidates = (
            np.take_along_axis(keys, first, 1),
            np.take_along_axis(candidates, first, 1),
        )
    candidates = np.take_along_axis(candidates, np.argsort(keys, axis=1), axis=1)

    settled = best[rows]
    at_border = np.take_along_axis(scores[rows], settled, axis=1) == border[rows]
    nth = np.cumsum(at_border, axis=1) - 1
    settled[at_border] = np.take_along_axis(candidates, np.maximum(nth, 0), axis=1)[at_border]
    return settled
