"""Exact best-first lists from scores: the same code ranks in evaluation and in serving."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from growthlab.ranking.ties import TieBreak

SCORES_AT_ONCE = 2**18  # 1 MB of float32: what is worked on stays in the cache


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
    for rows in row_slices(n_users, n_items):
        own = ties.select(rows)
        best = _best(scores[rows], n_listed, own)
        items[rows, :n_listed], values[rows, :n_listed] = _ordered(
            best, np.take_along_axis(scores[rows], best, axis=1), own
        )
    return items, values


def merged(
    left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray], ties: TieBreak
) -> tuple[np.ndarray, np.ndarray]:
    """The best of two lists a user over disjoint items, as `top_k` of all these items gives it.

    Both are what `top_k` returns, of the same shape.
    """
    k = left[0].shape[1]
    items, values = (np.concatenate(sides, axis=1) for sides in zip(left, right, strict=True))
    items, values = _ordered(items, values, ties)
    return items[:, :k], values[:, :k]


def row_slices(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices of rows that are worked on at once: `SCORES_AT_ONCE` entries, or a single row."""
    size = max(1, SCORES_AT_ONCE // max(n_columns, 1))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def _best(scores: np.ndarray, k: int, ties: TieBreak) -> np.ndarray:
    """Which `k` items a user have the best scores, in any order, ``(n_users, k)``."""
    n_users, n_items = scores.shape
    if k == n_items:
        return np.broadcast_to(np.arange(n_items), scores.shape)
    if not k:
        return np.zeros((n_users, 0), dtype=np.int64)
    # a partition of the values is twice as fast as one of the places
    border = np.partition(scores, n_items - k, axis=1)[:, n_items - k]
    listed = scores >= border[:, None]
    is_open = np.count_nonzero(listed, axis=1) > k  # the border's score is shared inside and out
    if not is_open.any():
        return (np.flatnonzero(listed) % n_items).reshape(n_users, k)
    best = np.empty((n_users, k), dtype=np.int64)
    best[~is_open] = (np.flatnonzero(listed[~is_open]) % n_items).reshape(-1, k)
    rows = np.flatnonzero(is_open)
    best[rows] = np.argpartition(scores[rows], n_items - k, axis=1)[:, n_items - k :]
    rows = rows[border[rows] > -np.inf]  # which of the unlistable ones does not matter
    if len(rows):
        best[rows] = _settle(scores, best, border[:, None], rows, ties)
    return best


def _ordered(
    items: np.ndarray, values: np.ndarray, ties: TieBreak
) -> tuple[np.ndarray, np.ndarray]:
    """Best first, equal scores by key; -1 in place of an item with a score of ``-inf``."""
    order = np.argsort(-values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    equal = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] > -np.inf)
    rows = np.flatnonzero(equal.any(axis=1))
    if len(rows):
        keys = ties.keys(rows[:, None], np.maximum(items[rows], 0))
        order[rows] = np.lexsort((keys, -values[rows]), axis=-1)
        ordered[rows] = np.take_along_axis(values[rows], order[rows], axis=1)
    found = np.take_along_axis(items, order, axis=1)
    return np.where(ordered > -np.inf, found, -1), ordered


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
