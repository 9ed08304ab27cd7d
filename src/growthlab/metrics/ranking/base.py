"""What ranking metrics are computed from: lists, truth and popularity; and their contracts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.core.prefixes import Prefixes
from growthlab.metrics.content_codes import category_codes, content_codes
from growthlab.ranking.top_k import row_slices

if TYPE_CHECKING:
    from scipy.sparse import coo_matrix

HEAD_SHARE = 0.8  # of the past interactions


@dataclass(frozen=True)
class RankedLists:
    """Lists, best item first, and the relevant items of the same users (the truth).

    Beyond the end of a short list `items` holds -1. The truth is in CSR form, with distinct items per
    user; a relevant item outside the catalogue has the code -1: it can never be hit, but counts in
    every denominator. A user without relevant items is left out of means of accuracy only.

    Where events are predicted one after the other (``task.target=successive``) a row is a step: one
    moment of a user, with the history until then. Then "user" below means row; the rows of a user are
    adjacent, and `clusters` says which rows belong together.
    """

    user_ids: np.ndarray  # (n_users,) str
    items: np.ndarray  # (n_users, k) int32
    scores: np.ndarray  # (n_users, k) float32
    truth_offsets: np.ndarray  # (n_users + 1,) int64
    truth_items: np.ndarray  # (n_truth,) int32
    truth_ranks: np.ndarray  # (n_truth,) float64 by the median rule, inf where it cannot be ranked
    truth_tied: np.ndarray  # (n_truth,) bool: another candidate has the same score
    fallback: np.ndarray  # (n_users,) bool: the model could not score the user
    histories: Histories | Prefixes  # the same users' past
    popularity: np.ndarray  # (n_items,) distinct past users of each item
    n_past_users: int
    owned: Histories | Prefixes | None = None  # their past target events; None: `histories`

    @property
    def n_users(self) -> int:
        """The number of users."""
        return len(self.user_ids)

    @property
    def n_relevant(self) -> np.ndarray:
        """Relevant items per user, cold ones included, shape ``(n_users,)``."""
        return np.diff(self.truth_offsets)

    @property
    def truth_rows(self) -> np.ndarray:
        """The user row of each relevant item, shape ``(n_truth,)``."""
        return np.repeat(np.arange(self.n_users), self.n_relevant)

    @cached_property
    def clusters(self) -> np.ndarray:
        """The number of the user of each row, from 0, shape ``(n_users,)``: resampled together."""
        starts = self.user_ids[1:] != self.user_ids[:-1]
        return np.concatenate([[0], np.cumsum(starts)])[: self.n_users].astype(np.int64)

    @cached_property
    def hits(self) -> np.ndarray:
        """Where the lists hold a relevant item, shape ``(n_users, k)``, bool."""
        return self._hits_of(np.ones(len(self.truth_items), dtype=bool))

    def _hits_of(self, kept: np.ndarray) -> np.ndarray:
        rows, columns, places = self._hit_places
        hits = np.zeros(self.items.shape, dtype=bool)
        hits[rows, columns] = kept[places]
        return hits

    @cached_property
    def _hit_places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row and column of each hit in the lists, and its place in `truth_items`."""
        known = np.flatnonzero(self.truth_items >= 0)
        pairs = self._pairs(self.truth_rows[known], self.truth_items[known])
        order = np.argsort(pairs, kind="stable")
        known, pairs = known[order], pairs[order]
        parts = [np.zeros((3, 0), dtype=np.int64)]
        for rows in row_slices(*self.items.shape) if len(known) else ():
            listed = self.items[rows]
            listed_pairs = self._pairs(np.arange(rows.start, rows.stop)[:, None], listed)
            at = np.minimum(np.searchsorted(pairs, listed_pairs), len(pairs) - 1)
            own, columns = np.nonzero((pairs[at] == listed_pairs) & (listed >= 0))
            parts.append(np.stack([own + rows.start, columns, known[at[own, columns]]]))
        own, columns, places = np.concatenate(parts, axis=1)
        return own, columns, places

    @cached_property
    def repeats(self) -> np.ndarray:
        """Which relevant items the user has had before, shape ``(n_truth,)``, bool."""
        return self._owned.contains(self.truth_rows, self.truth_items)

    @cached_property
    def listed_repeats(self) -> np.ndarray:
        """Which listed items the user has had before, shape ``(n_users, k)``, bool.

        Only target events count: a viewed item is not a repeat if purchases are predicted.
        """
        repeats = np.zeros(self.items.shape, dtype=bool)
        for rows in row_slices(*self.items.shape):
            own = np.arange(rows.start, rows.stop)[:, None]
            repeats[rows] = self._owned.contains(
                np.broadcast_to(own, self.items[rows].shape), self.items[rows]
            )
        return repeats

    @cached_property
    def _owned(self) -> Prefixes:
        return Prefixes.all_of(self.histories if self.owned is None else self.owned)

    @cached_property
    def contents(self) -> np.ndarray:
        """Category and attributes of each item, see `content_codes`."""
        return content_codes(self.histories.catalogue)

    @cached_property
    def categories(self) -> np.ndarray:
        """The category of each item, see `category_codes`."""
        return category_codes(self.histories.catalogue)

    def shares_of_categories(
        self, rows: np.ndarray, items: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The categories of the items of each row, and their shares.

        Returns
        -------
        cells : ``row * n_categories + category``, ascending
        shares : in (0, 1], with a sum of 1 per row
        """
        kinds, n_kinds = self.categories[items], int(self.categories.max(initial=-1)) + 1
        known = kinds >= 0
        weights = np.broadcast_to(1 / np.maximum(known.sum(axis=1), 1)[:, None], kinds.shape)
        cells, place = np.unique((rows[:, None] * n_kinds + kinds)[known], return_inverse=True)
        sums = np.bincount(place, weights=weights[known], minlength=len(cells))
        owners = cells // max(n_kinds, 1)
        return cells, sums / np.bincount(owners, weights=sums, minlength=self.n_users)[owners]

    @cached_property
    def past_categories(self) -> tuple[np.ndarray, np.ndarray]:
        """`shares_of_categories` of the distinct items in the rows' histories."""
        parts = [
            self.shares_of_categories(rows.start + had.row, had.col)
            for rows, had in self._past_items()
        ]
        cells, shares = (np.concatenate(side) for side in zip(*parts, strict=True))
        return cells, shares

    @cached_property
    def past_popularity(self) -> np.ndarray:
        """Mean past users of the distinct items in each row's history; NaN for an empty one."""
        means = np.full(self.n_users, np.nan)
        for rows, had in self._past_items():
            n_items = np.bincount(had.row, minlength=had.shape[0])
            total = np.bincount(had.row, self.popularity[had.col], minlength=had.shape[0])
            np.divide(total, n_items, out=means[rows], where=n_items > 0)
        return means

    def _past_items(self) -> Iterator[tuple[slice, coo_matrix]]:
        for rows, block in Prefixes.all_of(self.histories).blocks():
            yield rows, block.matrix().tocoo()

    def _pairs(self, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        return rows.astype(np.int64) * len(self.popularity) + items

    def with_truth(self, kept: np.ndarray) -> Self:
        """The same lists with a part of the truth (`kept`: bool, one per relevant item)."""
        counts = np.bincount(self.truth_rows[kept], minlength=self.n_users)
        part = replace(
            self,
            truth_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            truth_items=self.truth_items[kept],
            truth_ranks=self.truth_ranks[kept],
            truth_tied=self.truth_tied[kept],
        )
        # cached properties that do not depend on the part, or can be looked up
        vars(part)["hits"] = self._hits_of(kept)
        vars(part)["repeats"] = self.repeats[kept]
        vars(part)["listed_repeats"] = self.listed_repeats
        vars(part)["clusters"] = self.clusters
        return part


@runtime_checkable
class PerUser(Protocol):
    """A ranking metric that is a mean over users, with intervals, paired tests and strata."""

    larger_is_better: ClassVar[bool]

    def per_user(self, lists: RankedLists) -> dict[str, np.ndarray]:
        """Name such as ``ndcg_at_10`` -> one value per user, float64; NaN where it is undefined."""
        ...


@runtime_checkable
class Pooled(Protocol):
    """A ranking metric that is one sum over users divided by another, such as micro recall."""

    larger_is_better: ClassVar[bool]

    def parts(self, lists: RankedLists) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Name -> each user's part of numerator and denominator, float64 ``(n_users,)`` each."""
        ...


@runtime_checkable
class Overall(Protocol):
    """A ranking metric of all lists together, such as coverage; it has no interval."""

    larger_is_better: ClassVar[bool]

    def overall(self, lists: RankedLists) -> dict[str, float]:
        """Name such as ``coverage_at_10`` -> value; NaN where the metric is undefined."""
        ...


@dataclass(frozen=True)
class AtK:
    """The common part of metrics of the first `k` items: several `k` in one metric, and their names."""

    k: tuple[int, ...] = (10,)

    name: ClassVar[str]
    larger_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        ks = self.k if isinstance(self.k, Iterable) else (self.k,)
        object.__setattr__(self, "k", tuple(ks))
        if not self.k or any(not isinstance(k, int) or k < 1 for k in self.k):
            raise ConfigError(f"k of {self.name} must be whole numbers from 1, got {list(self.k)}")

    def named(self, k: int) -> str:
        """The logged name at `k`: ``ndcg_at_10``."""
        return f"{self.name}_at_{k}"

    def check(self, lists: RankedLists) -> None:
        """Raise a `ConfigError` if the lists are shorter than the largest `k`."""
        if (depth := lists.items.shape[1]) < max(self.k):
            raise ConfigError(
                f"{self.named(max(self.k))} needs lists of {max(self.k)} items, they hold {depth}: "
                "lower the metric's k or raise the task's"
            )


class PerUserAtK(AtK):
    """A mean over users at several `k`; `at` gives each user's value.

    `needs_truth`: users without relevant items have no value (NaN) and are left out of the mean.
    """

    needs_truth: ClassVar[bool] = True

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """One value per user at `k`; any value for users whom `needs_truth` leaves out."""
        raise NotImplementedError

    def per_user(self, lists: RankedLists) -> dict[str, np.ndarray]:
        """See `PerUser.per_user`."""
        self.check(lists)
        left_out = (lists.n_relevant == 0) & self.needs_truth
        return {self.named(k): np.where(left_out, np.nan, self.at(lists, k)) for k in self.k}


class OverallAtK(AtK):
    """One value for all lists together at several `k`; `of` computes it."""

    def of(self, lists: RankedLists, k: int) -> float:
        """The value at `k`."""
        raise NotImplementedError

    def overall(self, lists: RankedLists) -> dict[str, float]:
        """See `Overall.overall`."""
        self.check(lists)
        return {self.named(k): self.of(lists, k) for k in self.k}


def recommendation_counts(lists: RankedLists, k: int) -> np.ndarray:
    """How often each item is among the first `k` of the lists, zeros included, ``(n_items,)``."""
    listed = lists.items[:, :k]
    return np.bincount(listed[listed >= 0], minlength=len(lists.popularity))


def head_items(popularity: np.ndarray) -> np.ndarray:
    """The most popular items that together have `HEAD_SHARE` of all interactions, bool, ``(n_items,)``.

    Items as popular as the last of them belong to the head too, so that it does not depend on codes.
    """
    descending = np.sort(popularity)[::-1].astype(np.float64)
    cumulative = np.cumsum(descending)
    if not len(cumulative) or cumulative[-1] == 0:
        return np.zeros(len(popularity), dtype=bool)
    target = HEAD_SHARE * cumulative[-1] * (1 - 1e-12)  # the product may be rounded up
    return popularity >= descending[np.searchsorted(cumulative, target)]


def mean_listed(values: np.ndarray, lists: RankedLists, k: int) -> np.ndarray:
    """The mean of `values` (one per item) over each user's first `k`; NaN for an empty list."""
    listed = lists.items[:, :k]
    is_item = listed >= 0
    n_listed = is_item.sum(axis=1)
    total = np.where(is_item, values[np.maximum(listed, 0)], 0.0).sum(axis=1)
    return np.where(n_listed > 0, total / np.maximum(n_listed, 1), np.nan)
