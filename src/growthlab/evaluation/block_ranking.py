"""Scores in, lists and target ranks out: all candidates, in blocks within a memory bound."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.core.prefixes import Prefixes
from growthlab.core.progress import progress
from growthlab.metrics.ranking.base import RankedLists
from growthlab.ranking.candidates import hide_seen, seen_items
from growthlab.ranking.fallback import fill_unscored
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import merge_lists, row_slices, top_k
from growthlab.scorers.base import Factored

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

log = logging.getLogger(__name__)

BYTES_A_SCORE = (
    16  # the model's output, as much inside the model, and a copy in which items are hidden
)
BYTES_AN_EVENT = 128  # a history as arrays, as a matrix, and as the model's input
FEWEST_ROWS = 64  # if fewer users fit at once, a product of factors is computed in blocks of items
FEW_TARGETS = 2  # per row: up to this number counting is faster than sorting the row
LOGGED_FROM = 1_000_000_000  # scores: smaller work is logged as debug only


# A block of items, the users' scores of them as they are ranked, and which users have the fallback's.
Tile = tuple[slice, np.ndarray, np.ndarray]


def rank_items(
    score: Callable[[Histories], np.ndarray],
    histories: Histories | Prefixes,
    truth_offsets: np.ndarray,
    truth_items: np.ndarray,
    *,
    k: int,
    filter_seen: str,
    fallback_scores: np.ndarray,
    seed: int,
    popularity: np.ndarray,
    n_past_users: int,
    owned: Histories | Prefixes | None = None,
    memory_mb: float = 512,
    factors: Factored | None = None,
) -> RankedLists:
    """Each user's best `k` items of the whole catalogue, and the rank of each relevant item.

    Seen items are hidden after scoring, so that no model gains or loses by its own masking; targets
    among them must have been removed from the truth (`unseen_targets`). A user whom the model cannot
    score gets `fallback_scores`. The rank of a relevant item follows the median rule: better
    candidates, plus half of the other equal ones, plus 1; ``inf`` for an item outside the catalogue
    (-1) or with a score of ``-inf``. The result does not depend on `memory_mb`, except for the last
    bits of scores from `factors`.

    Parameters
    ----------
    score : histories of some users -> ``(n_users, n_items)``, the contract of ``Recommender.score``:
        a new array, in which seen items are hidden
    truth_offsets, truth_items : distinct relevant items per user in CSR form, -1 outside the
        catalogue
    fallback_scores : ``(n_items,)``, popularity, used where the model has no scores
    popularity : ``(n_items,)``, distinct past users of each item, for the metrics
    owned : past target events of the same users, which define repeats; None: `histories`
    memory_mb : the memory limit, besides the model, the histories and the result
    factors : the same model as a product, whose scores can be ranked in blocks of items where the
        limit has no room for whole rows of `FEWEST_ROWS` users

    Raises
    ------
    ConfigError
        Before any work, if the limit has no room for a single user.
    """
    plan = plan_blocks(histories, memory_mb, in_tiles=factors is not None)
    ties = TieBreak.of(histories.user_ids, histories.catalogue.item_ids, seed)
    items = np.full((histories.n_users, k), -1, dtype=np.int32)
    scores = np.full((histories.n_users, k), -np.inf, dtype=np.float32)
    fallback = np.zeros(histories.n_users, dtype=bool)
    ranks = np.full(len(truth_items), np.inf)
    tied = np.zeros(len(truth_items), dtype=bool)
    vectors = factors.item_vectors() if factors is not None and len(plan.tiles) > 1 else None
    for rows in progress(plan.rows, "ranking", total=len(plan.rows)):
        block = histories.select(np.arange(rows.start, rows.stop))
        seen = seen_items(block, filter_seen)
        if factors is not None and vectors is not None:
            product = _Product(factors.embed(block), vectors, plan.tiles)
            tiles: Iterable[Tile] = _CandidateScores(product, fallback_scores, seen)
        else:
            whole = [(slice(0, block.n_items), _scores_of_all_items(score, block))]
            tiles = list(_CandidateScores(whole, fallback_scores, seen))
        span = slice(truth_offsets[rows.start], truth_offsets[rows.stop])
        owners = np.repeat(np.arange(block.n_users), np.diff(truth_offsets)[rows])
        items[rows], scores[rows], fallback[rows], own = _best(
            tiles, k, ties.select(rows), owners, truth_items[span]
        )
        ranks[span], tied[span] = _median_ranks(tiles, owners, own)
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


@dataclass(frozen=True)
class BlockPlan:
    """The blocks of users (`rows`) and of items (`tiles`) that are ranked together."""

    rows: list[slice]
    tiles: list[slice]


def plan_blocks(histories: Histories | Prefixes, memory_mb: float, *, in_tiles: bool) -> BlockPlan:
    """Blocks of users, and with `in_tiles` of items, that stay within `memory_mb`.

    Raises
    ------
    ConfigError
        A single user needs more.
    """
    room = memory_mb * 2**20
    n_items, event_bytes = histories.n_items, histories.lengths * BYTES_AN_EVENT
    width = max(n_items, 1)  # items at once
    if in_tiles and room < FEWEST_ROWS * width * BYTES_A_SCORE:
        width = int(min(width, max(room // (4 * FEWEST_ROWS * BYTES_A_SCORE), 1)))
    needed = event_bytes + width * BYTES_A_SCORE
    if (most := needed.max(initial=0)) > room:
        raise ConfigError(
            f"task.memory_mb={memory_mb:g} has no room for one user: {n_items:,} items and "
            f"{int(histories.lengths[needed.argmax()]):,} events need {most / 2**20:,.3g} MB"
        )
    ends = np.cumsum(needed)
    rows: list[slice] = []
    while (start := rows[-1].stop if rows else 0) < len(needed):
        before = ends[start - 1] if start else 0
        rows.append(slice(start, int(np.searchsorted(ends, before + room, side="right"))))
    tiles = [slice(at, min(at + width, n_items)) for at in range(0, max(n_items, 1), width)]
    work = f"{len(needed):,} users x {n_items:,} items in {len(rows)} x {len(tiles)} blocks"
    level = logging.INFO if len(needed) * n_items > LOGGED_FROM else logging.DEBUG
    log.log(level, "ranking %s of at most %g MB", work, memory_mb)
    return BlockPlan(rows, tiles)


def target_ranks(
    scores: np.ndarray, rows: np.ndarray, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rank of each target among its row's scores, by the median rule, and whether it is tied.

    Ranks count from 1. `rows` and `items` are the places of the targets in `scores`, shape
    ``(n_users, n_items)``; an item of -1 or a score of ``-inf`` has rank ``inf`` and is not tied.
    """
    own = np.full(len(items), -np.inf, dtype=scores.dtype)
    known = items >= 0
    own[known] = scores[rows[known], items[known]]
    unscored = np.zeros(len(scores), dtype=bool)
    return _median_ranks([(slice(0, scores.shape[1]), scores, unscored)], rows, own)


def unseen_targets(
    histories: Histories | Prefixes,
    truth_offsets: np.ndarray,
    truth_items: np.ndarray,
    filter_seen: str,
) -> np.ndarray:
    """Which relevant items the seen filter does not hide, bool, one per relevant item.

    The others are counted as ``targets_removed_by_filter``: no model could hit an item that the task
    itself hides.
    """
    kept = np.ones(len(truth_items), dtype=bool)
    for rows, block in Prefixes.all_of(histories).blocks():
        seen = seen_items(block, filter_seen)
        if seen is None:
            break
        span = np.arange(truth_offsets[rows.start], truth_offsets[rows.stop])
        owners = np.repeat(np.arange(block.n_users), np.diff(truth_offsets)[rows])
        known = truth_items[span] >= 0
        span, owners = span[known], owners[known]
        if len(span):
            kept[span] = np.asarray(seen[owners, truth_items[span]]).ravel() == 0
    return kept


def _scores_of_all_items(score: Callable[[Histories], np.ndarray], block: Histories) -> np.ndarray:
    """The model's scores, with a check of their shape."""
    scores = score(block)
    expected = (block.n_users, block.n_items)
    if scores.shape != expected:
        raise ValueError(f"model output: scores of shape {scores.shape}, expected {expected}")
    return scores


@dataclass(frozen=True)
class _Product:
    """Scores as a product, computed for one block of items at a time.

    Iterating twice gives the same bits.
    """

    users: np.ndarray  # (n_users, width)
    items: np.ndarray  # (n_items, width)
    blocks: list[slice]

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray]]:
        for block in self.blocks:
            yield block, self.users @ self.items[block].T


@dataclass(frozen=True)
class _CandidateScores:
    """Scores with the fallback where the model has none, and with seen items hidden."""

    model_scores: Iterable[tuple[slice, np.ndarray]]
    fallback_scores: np.ndarray
    seen: csr_matrix | None

    def __iter__(self) -> Iterator[Tile]:
        for block, scores in self.model_scores:
            filled, fallback = fill_unscored(scores, self.fallback_scores[block])
            if self.seen is not None:
                filled = filled if filled.flags.writeable else filled.copy()
                hide_seen(filled, self.seen if block == self._all else self.seen[:, block])
            yield block, filled, fallback

    @property
    def _all(self) -> slice:
        return slice(0, len(self.fallback_scores))


def _best(
    tiles: Iterable[Tile], k: int, ties: TieBreak, rows: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lists, their scores, which users have the fallback's, and each target's score (-inf: none)."""
    own = np.full(len(targets), -np.inf, dtype=np.float32)
    best: tuple[np.ndarray, np.ndarray] | None = None
    for block, scores, unscored in tiles:
        items, values = top_k(scores, k, ties.for_items(block))
        listed = np.where(items >= 0, items + block.start, items), values
        best = listed if best is None else merge_lists(best, listed, ties)
        fallback = unscored
        here = (targets >= block.start) & (targets < block.stop)
        own[here] = scores[rows[here], targets[here] - block.start]
    assert best is not None  # there is at least one tile, even without items
    return *best, fallback, own


def _median_ranks(
    tiles: Iterable[Tile], rows: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rank of each target from its score `own`, and whether it is tied."""
    ranks = np.full(len(own), np.inf)
    ranked = np.flatnonzero(own > -np.inf)
    n_greater, n_equal = np.zeros((2, len(ranked)), dtype=np.int64)
    if len(ranked):
        for _, scores, _ in tiles:
            greater, equal = _count_competitors(scores, rows[ranked], own[ranked])
            n_greater += greater
            n_equal += equal
    ranks[ranked] = n_greater + (n_equal - 1) / 2 + 1
    tied = np.zeros(len(own), dtype=bool)
    tied[ranked] = n_equal > 1
    return ranks, tied


def _count_competitors(
    scores: np.ndarray, rows: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The number of scores in the row that are greater than each target's, and that equal it."""
    order = np.argsort(rows, kind="stable")
    n_greater, n_equal = np.zeros((2, len(rows)), dtype=np.int64)
    for block in row_slices(len(scores), scores.shape[1]):
        first, last = np.searchsorted(rows, (block.start, block.stop), sorter=order)
        here = order[first:last]
        if len(here) <= FEW_TARGETS * (block.stop - block.start):
            n_greater[here], n_equal[here] = _count_directly(scores, rows[here], own[here])
        else:
            ascending = np.sort(scores[block], axis=1)
            local, n_items = rows[here] - block.start, scores.shape[1]
            not_greater = _bisect(ascending, local, own[here], right=True)
            n_greater[here] = n_items - not_greater
            n_equal[here] = not_greater - _bisect(ascending, local, own[here], right=False)
    return n_greater, n_equal


def _count_directly(
    scores: np.ndarray, rows: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`_count_competitors` by comparing each target with every score of its row."""
    n_greater, n_equal = np.zeros((2, len(rows)), dtype=np.int64)
    for part in row_slices(len(rows), scores.shape[1]):
        competing, limit = scores[rows[part]], own[part, None]
        n_greater[part] = np.count_nonzero(competing > limit, axis=1)
        n_equal[part] = np.count_nonzero(competing == limit, axis=1)
    return n_greater, n_equal


def _bisect(
    ascending: np.ndarray, rows: np.ndarray, values: np.ndarray, *, right: bool
) -> np.ndarray:
    """``np.searchsorted`` of each value in its own row, for all values at once."""
    low = np.zeros(len(values), dtype=np.int64)
    high = np.full(len(values), ascending.shape[1], dtype=np.int64)
    while (searching := low < high).any():
        middle = np.minimum((low + high) // 2, ascending.shape[1] - 1)
        pivots = ascending[rows, middle]
        below = pivots <= values if right else pivots < values
        low = np.where(searching & below, middle + 1, low)
        high = np.where(searching & ~below, middle, high)
    return low
