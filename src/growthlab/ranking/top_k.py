"""Exact best-first lists from scores: the same code ranks in evaluation and in serving."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from growthlab.core.processors import in_threads
from growthlab.ranking.ties import TieBreak

WIDEST_BLOCK = 64
SCORES_AT_ONCE = 2**18  # 1 MB of float32: fits the processor's cache


def top_k(scores: np.ndarray, k: int, ties: TieBreak) -> tuple[np.ndarray, np.ndarray]:
    """The best `k` items a user, best first, and their scores; shapes ``(n_users, k)``.

    Items are int32 codes, scores float32. Scores are compared as float32, so that mathematically
    equal ones tie; equal ones are ordered by `ties`. An item with a score of ``-inf`` is never
    listed: a list with fewer than `k` items is padded with -1 (score ``-inf``). `scores` must not
    hold NaN: see
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

    def rank(rows: slice) -> None:
        own = ties.select(rows)
        best = _best(scores[rows], n_listed, own)
        items[rows, :n_listed], values[rows, :n_listed] = _ordered(
            best, np.take_along_axis(scores[rows], best, axis=1), own
        )

    in_threads(rank, list(row_slices(n_users, n_items)))  # numpy partitions without the GIL
    return items, values


def merge_lists(
    left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray], ties: TieBreak
) -> tuple[np.ndarray, np.ndarray]:
    """Two lists a user over disjoint items merged into the `top_k` of all these items.

    Both are results of `top_k` of the same shape.
    """
    k = left[0].shape[1]
    items, values = (np.concatenate(sides, axis=1) for sides in zip(left, right, strict=True))
    items, values = _ordered(items, values, ties)
    return items[:, :k], values[:, :k]


def row_slices(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices of rows to process at once: `SCORES_AT_ONCE` entries, or a single row."""
    size = max(1, SCORES_AT_ONCE // max(n_columns, 1))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def _best(scores: np.ndarray, k: int, ties: TieBreak) -> np.ndarray:
    """The `k` items a user with the best scores, in any order, ``(n_users, k)``."""
    n_users, n_items = scores.shape
    if k == n_items:
        return np.broadcast_to(np.arange(n_items), scores.shape)
    if not k:
        return np.zeros((n_users, 0), dtype=np.int64)
    border = _border(scores, k)
    listed = scores >= border[:, None]
    is_open = np.count_nonzero(listed, axis=1) > k  # the border's score is shared inside and out
    if not is_open.any():
        return _columns(listed, k)
    best = np.empty((n_users, k), dtype=np.int64)
    best[~is_open] = _columns(listed[~is_open], k)
    rows = np.flatnonzero(is_open)
    best[rows] = _break_ties_at_border(scores[rows], k, border[rows, None], ties.select(rows))
    return best


def _border(scores: np.ndarray, k: int) -> np.ndarray:
    """The k-th best score of each row.

    It is at least the k-th best of the block maxima, so only scores that reach that are partitioned:
    partitioning a whole row is up to 25 times slower where many scores are equal.
    """
    n_rows, n_items = scores.shape
    width = min(WIDEST_BLOCK, n_items // (4 * k))
    if width < 2 or not n_rows:
        return _border_of_equals(scores, k)
    inside = n_items // width * width
    maxima = scores[:, :inside].reshape(n_rows, width, -1).max(axis=1)
    least = _by_partition(np.concatenate([maxima, scores[:, inside:]], axis=1), k)
    reached = scores >= least[:, None]
    counts = np.count_nonzero(reached, axis=1)
    border = np.empty(n_rows, dtype=scores.dtype)
    many = counts > n_items // 8
    if many.any():
        border[many] = _border_of_equals(scores[many], k)
        scores, reached, counts = scores[~many], reached[~many], counts[~many]
    if len(scores):
        left = np.full((len(scores), counts.max()), -np.inf, dtype=scores.dtype)
        left[np.arange(left.shape[1]) < counts[:, None]] = scores[reached]
        border[~many] = _by_partition(left, k)
    return border


def _border_of_equals(scores: np.ndarray, k: int) -> np.ndarray:
    """The k-th best score of each row, quickly where most are the lowest, as in sparse models."""
    low = scores.min(axis=1)
    hidden = np.flatnonzero(low == -np.inf)
    low[hidden] = np.where(scores[hidden] > -np.inf, scores[hidden], np.inf).min(axis=1)
    few = np.count_nonzero(scores > low[:, None], axis=1) < k  # others: no partition needed
    few &= np.count_nonzero(scores >= low[:, None], axis=1) >= k
    low[~few] = _by_partition(scores[~few], k)
    return low


def _by_partition(scores: np.ndarray, k: int) -> np.ndarray:
    place = scores.shape[1] - k
    return np.partition(scores, place, axis=1)[:, place]  # of values: twice as fast as argpartition


def _columns(listed: np.ndarray, k: int) -> np.ndarray:
    """The columns of the `k` True entries of each row, ``(n_rows, k)``."""
    return (np.flatnonzero(listed) % listed.shape[1]).reshape(-1, k)


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
    listed = np.take_along_axis(items, order, axis=1)
    return np.where(ordered > -np.inf, listed, -1), ordered


def _break_ties_at_border(
    scores: np.ndarray, k: int, border: np.ndarray, ties: TieBreak
) -> np.ndarray:
    """The best `k` items a row where more than `k` reach the border: there the smallest keys win."""
    best = np.empty((len(scores), k), dtype=np.int64)
    rows, items = np.nonzero(scores > border)
    n_above = np.bincount(rows, minlength=len(scores))
    best[rows, _index_in_group(n_above)] = items

    tied, n_open = scores == border, k - n_above
    rows, items = np.nonzero(tied)
    n_tied = np.bincount(rows, minlength=len(scores))
    keys = ties.keys(rows, items)
    # Keys are uniform: the smallest few of a row almost surely lie below a known limit.
    share = (n_open + 8 * np.sqrt(n_open) + 16) / np.maximum(n_tied, 1)
    limit = (np.minimum(share, 0.999) * 2**64).astype(np.uint64)
    near = keys < limit[rows]
    short = np.bincount(rows[near], minlength=len(scores)) < n_open
    near |= short[rows]
    rows, items, keys = rows[near], items[near], keys[near]
    order = np.lexsort((keys, rows))
    rows, items = rows[order], items[order]
    place = _index_in_group(np.bincount(rows, minlength=len(scores)))
    first = place < n_open[rows]
    best[rows[first], n_above[rows[first]] + place[first]] = items[first]
    return best


def _index_in_group(counts: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each of the groups of these sizes."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
