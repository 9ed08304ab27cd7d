"""Scores in, lists and target ranks out: all candidates, in blocks within a memory bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from growthlab.core.histories import Histories
from growthlab.core.progress import progress
from growthlab.metrics.ranking.base import RankedLists
from growthlab.ranking.candidates import hide_seen, seen_items
from growthlab.ranking.fallback import fill_unscored
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import top_k

# Scores, their sorted copy, the places of a partition; where all items tie, their places and keys.
BYTES_AN_ITEM = 96


def rank(
    score: Callable[[Histories], np.ndarray],
    histories: Histories,
    truth_offsets: np.ndarray,
    truth_items: np.ndarray,
    *,
    k: int,
    filter_seen: str,
    fallback_scores: np.ndarray,
    seed: int,
    popularity: np.ndarray,
    n_past_users: int,
    owned: Histories | None = None,
    memory_mb: float = 512,
) -> RankedLists:
    """The best `k` items a user among all items of the catalogue, and the rank of each relevant
    item.

    Seen items are hidden after scoring, so that no model is helped or hurt by its own masking;
    targets among them must be gone from the truth before (`drop_seen_truth`). A user whom the model
    cannot score gets `fallback_scores`. The rank of a relevant item is the median rule's: better
    candidates, plus half of the other equal ones, plus 1; ``inf`` for an item outside the catalogue
    (-1) or with a score of ``-inf``. The answer does not depend on `memory_mb`.

    Parameters
    ----------
    score : histories of some users -> ``(n_users, n_items)``, the contract of ``Recommender.score``
    truth_offsets, truth_items : relevant items a user in CSR form, distinct, -1 outside the
        catalogue
    fallback_scores : ``(n_items,)``, the popularity that stands in
    popularity : ``(n_items,)``, distinct past users of each item, handed on to the metrics
    owned : what the same users had taken before, by which a repeat is told; None: `histories`
    """
    n_users = histories.n_users
    ties = TieBreak.of(histories.user_ids, histories.catalogue.item_ids, seed)
    items = np.full((n_users, k), -1, dtype=np.int32)
    scores = np.full((n_users, k), -np.inf, dtype=np.float32)
    fallback = np.zeros(n_users, dtype=bool)
    ranks = np.full(len(truth_items), np.inf)
    tied = np.zeros(len(truth_items), dtype=bool)
    for rows in _blocks(n_users, histories.n_items, memory_mb):
        block = histories.select(rows)
        given = score(block)
        if given.shape != (len(rows), histories.n_items):
            expected = (len(rows), histories.n_items)
            raise ValueError(f"model output: scores of shape {given.shape}, expected {expected}")
        filled, fallback[rows] = fill_unscored(given, fallback_scores)
        seen = seen_items(block, filter_seen)
        if seen is not None:
            filled = filled.copy() if np.may_share_memory(filled, given) else filled
            hide_seen(filled, seen)
        items[rows], scores[rows] = top_k(filled, k, ties.select(rows))
        span = slice(truth_offsets[rows[0]], truth_offsets[rows[-1] + 1])
        owners = np.repeat(np.arange(len(rows)), np.diff(truth_offsets)[rows])
        ranks[span], tied[span] = target_ranks(filled, owners, truth_items[span])
    return RankedLists(
        user_ids=histories.user_ids,
        items=items,
        scores=scores,
        truth_offsets=truth_offsets,
        truth_items=truth_items,
        truth_ranks=ranks,
        truth_tied=tied,
        fallback=fallback,
        histories=histories,
        popularity=popularity,
        n_past_users=n_past_users,
        owned=owned,
    )


def target_ranks(
    scores: np.ndarray, rows: np.ndarray, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rank from 1 of each target among its row's scores by the median rule, and whether it is
    tied.

    `rows` and `items` name the targets in `scores`, shape ``(n_users, n_items)``; an item of -1 and
    a score of ``-inf`` cannot be ranked: ``inf``, not tied.
    """
    ranks = np.full(len(items), np.inf)
    tied = np.zeros(len(items), dtype=bool)
    known = np.flatnonzero(items >= 0)
    known = known[scores[rows[known], items[known]] > -np.inf]
    if not len(known):
        return ranks, tied
    rows, targets = rows[known], scores[rows[known], items[known]]
    ascending = np.sort(scores, axis=1)
    not_greater = _bisect(ascending, rows, targets, right=True)
    n_equal = not_greater - _bisect(ascending, rows, targets, right=False)
    n_greater = scores.shape[1] - not_greater
    ranks[known] = n_greater + (n_equal - 1) / 2 + 1
    tied[known] = n_equal > 1
    return ranks, tied


def drop_seen_truth(
    histories: Histories, truth_offsets: np.ndarray, truth_items: np.ndarray, filter_seen: str
) -> np.ndarray:
    """Which relevant items the seen filter leaves, bool, one a relevant item; the rest is counted
    as ``targets_removed_by_filter``.

    A target that the task itself hides can never be hit; counting it would punish every model for
    the rule.
    """
    kept = np.ones(len(truth_items), dtype=bool)
    seen = seen_items(histories, filter_seen)
    known = np.flatnonzero(truth_items >= 0)
    if seen is not None and len(known):
        rows = np.repeat(np.arange(histories.n_users), np.diff(truth_offsets))
        kept[known] = np.asarray(seen[rows[known], truth_items[known]]).ravel() == 0
    return kept


def _blocks(n_users: int, n_items: int, memory_mb: float) -> Iterator[np.ndarray]:
    """User rows in blocks whose working arrays stay within `memory_mb`; one user at the least."""
    size = max(1, int(memory_mb * 2**20 // (max(n_items, 1) * BYTES_AN_ITEM)))
    starts = range(0, n_users, size)
    for start in progress(starts, "ranking", total=len(starts)):
        yield np.arange(start, min(start + size, n_users))


def _bisect(
    ascending: np.ndarray, rows: np.ndarray, values: np.ndarray, *, right: bool
) -> np.ndarray:
    """``np.searchsorted`` of each value in its own row, for all values at once."""
    low = np.zeros(len(values), dtype=np.int64)
    high = np.full(len(values), ascending.shape[1], dtype=np.int64)
    while (open_ := low < high).any():
        middle = np.minimum((low + high) // 2, ascending.shape[1] - 1)
        found = ascending[rows, middle]
        below = found <= values if right else found < values
        low = np.where(open_ & below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    return low
