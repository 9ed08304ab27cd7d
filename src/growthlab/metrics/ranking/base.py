"""What every ranking metric is computed from: lists, truth and popularity; none knows a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.core.prefixes import Prefixes
from growthlab.metrics.item_kinds import categories_of, contents_of
from growthlab.ranking.top_k import row_slices

if TYPE_CHECKING:
    from scipy.sparse import coo_matrix

HEAD_SHARE = 0.8  # of the past interactions, which the head holds


@dataclass(frozen=True)
class RankedLists:
    """Best-first lists and what the same users really took.

    Beyond the end of a short list `items` holds -1. The truth is in CSR form, one distinct item a
    user; a relevant item outside the catalogue has the code -1: it can never be hit, and counts in
    every denominator. A user whose slice of the truth is empty is left out of accuracy means only.

    Where events are foretold one after the other (``task.target=successive``) a row is a step: one
    moment of a user, with the history until then. What is said of users below then holds for rows;
    rows of one user stand together, and `clusters` tells them.
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
    owned: Histories | Prefixes | None = None  # their past events of what is foretold; None: all

    @property
    def n_users(self) -> int:
        """How many users were given a list."""
        return len(self.user_ids)

    @property
    def n_relevant(self) -> np.ndarray:
        """Relevant items a user, cold ones included, shape ``(n_users,)``."""
        return np.diff(self.truth_offsets)

    @property
    def truth_rows(self) -> np.ndarray:
        """The user row of each relevant item, shape ``(n_truth,)``."""
        return np.repeat(np.arange(self.n_users), self.n_relevant)

    @cached_property
    def clusters(self) -> np.ndarray:
        """Which user a row belongs to, from 0, shape ``(n_users,)``: what is resampled as one."""
        starts = self.user_ids[1:] != self.user_ids[:-1]
        return np.concatenate([[0], np.cumsum(starts)])[: self.n_users].astype(np.int64)

    @cached_property
    def hits(self) -> np.ndarray:
        """Where the lists hold a relevant item, shape ``(n_users, k)``, bool."""
        return self._hits_of(np.ones(len(self.truth_items), dtype=bool))

    def _hits_of(self, kept: np.ndarray) -> np.ndarray:
        rows, columns, places = self._found
        hits = np.zeros(self.items.shape, dtype=bool)
        hits[rows, columns] = kept[places]
        return hits

    @cached_property
    def _found(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row and column of each hit in the lists, and its place in `truth_items`."""
        known = np.flatnonzero(self.truth_items >= 0)
        pairs = self._pairs(self.truth_rows[known], self.truth_items[known])
        order = np.argsort(pairs, kind="stable")
        known, pairs = known[order], pairs[order]
        parts = [np.zeros((3, 0), dtype=np.int64)]
        for rows in row_slices(*self.items.shape) if len(known) else ():
            listed = self.items[rows]
            wanted = self._pairs(np.arange(rows.start, rows.stop)[:, None], listed)
            at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
            own, columns = np.nonzero((pairs[at] == wanted) & (listed >= 0))
            parts.append(np.stack([own + rows.start, columns, known[at[own, columns]]]))
        own, columns, places = np.concatenate(parts, axis=1)
        return own, columns, places

    @cached_property
    def repeats(self) -> np.ndarray:
        """Which relevant items their user had taken before, shape ``(n_truth,)``, bool."""
        return self._owned.contains(self.truth_rows, self.truth_items)

    @cached_property
    def listed_repeats(self) -> np.ndarray:
        """Which listed items their user had taken before, shape ``(n_users, k)``, bool.

        Only what would count as a target makes a repeat: a look at an item does not, where
        purchases are foretold.
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
        """Category and attributes of each item, see `contents_of`."""
        return contents_of(self.histories.catalogue)

    @cached_property
    def categories(self) -> np.ndarray:
        """The category of each item, see `categories_of`."""
        return categories_of(self.histories.catalogue)

    def shares_of_categories(
        self, rows: np.ndarray, items: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which categories the items of each row have, and in what shares.

        Returns
        -------
        cells : ``row * n_categories + category``, ascending
        shares : in (0, 1], of a row they add up to 1
        """
        kinds, n_kinds = self.categories[items], int(self.categories.max(initial=-1)) + 1
        known = kinds >= 0
        weights = np.broadcast_to(1 / np.maximum(known.sum(axis=1), 1)[:, None], kinds.shape)
        cells, place = np.unique((rows[:, None] * n_kinds + kinds)[known], return_inverse=True)
        sums = np.bincount(place, weights=weights[known], minlength=len(cells))
        of = cells // max(n_kinds, 1)
        return cells, sums / np.bincount(of, weights=sums, minlength=self.n_users)[of]

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
        """The same lists against a part of the truth (`kept`: bool, one a relevant item)."""
        counts = np.bincount(self.truth_rows[kept], minlength=self.n_users)
        part = replace(
            self,
            truth_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            truth_items=self.truth_items[kept],
            truth_ranks=self.truth_ranks[kept],
            truth_tied=self.truth_tied[kept],
        )
        # what the lists alone decide, or a look-up, is not worked out again for each part
        vars(part)["hits"] = self._hits_of(kept)
        vars(part)["repeats"] = self.repeats[kept]
        vars(part)["listed_repeats"] = self.listed_repeats
        vars(part)["clusters"] = self.clusters
        return part


@runtime_checkable
class PerUser(Protocol):
    """A ranking metric that is a mean over users: it can be resampled, tested, and stratified."""

    larger_is_better: ClassVar[bool]

    def per_user(self, lists: RankedLists) -> dict[str, np.ndarray]:
        """Name such as ``ndcg_at_10`` -> one value a user, float64; NaN where it is undefined."""
        ...


@runtime_checkable
class Pooled(Protocol):
    """A ranking metric that is one sum over users divided by another, such as micro recall."""

    larger_is_better: ClassVar[bool]

    def parts(self, lists: RankedLists) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Name -> what each user adds above and below the line, float64 ``(n_users,)`` each."""
        ...


@runtime_checkable
class Overall(Protocol):
    """A ranking metric of all lists together, such as coverage: it has no interval."""

    larger_is_better: ClassVar[bool]

    def overall(self, lists: RankedLists) -> dict[str, float]:
        """Name such as ``coverage_at_10`` -> value; NaN where the metric is undefined."""
        ...


@dataclass(frozen=True)
class AtK:
    """What metrics at the first `k` of a list share: several `k` in one metric, and their names."""

    k: tuple[int, ...] = (10,)

    name: ClassVar[str]
    larger_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        given = self.k if isinstance(self.k, Iterable) else (self.k,)
        object.__setattr__(self, "k", tuple(given))
        if not self.k or any(not isinstance(k, int) or k < 1 for k in self.k):
            raise ConfigError(f"k of {self.name} must be whole numbers from 1, got {list(self.k)}")

    def named(self, k: int) -> str:
        """The metric's name at `k`, as it is logged: ``ndcg_at_10``."""
        return f"{self.name}_at_{k}"

    def check(self, lists: RankedLists) -> None:
        """ConfigError where the lists are too short to be judged at every `k`."""
        if (depth := lists.items.shape[1]) < max(self.k):
            raise ConfigError(
                f"{self.named(max(self.k))} needs lists of {max(self.k)} items, they hold {depth}: "
                "lower the metric's k or raise the task's"
            )


class PerUserAtK(AtK):
    """A mean over users at several `k`; `at` says what one user's value is.

    `needs_truth`: a user without relevant items has no value (NaN) and is left out of the mean.
    """

    needs_truth: ClassVar[bool] = True

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """One value a user at `k`; anything for a user whom `needs_truth` leaves out."""
        raise NotImplementedError

    def per_user(self, lists: RankedLists) -> dict[str, np.ndarray]:
        """See `PerUser.per_user`."""
        self.check(lists)
        left_out = (lists.n_relevant == 0) & self.needs_truth
        return {self.named(k): np.where(left_out, np.nan, self.at(lists, k)) for k in self.k}


class OverallAtK(AtK):
    """One value for all lists together at several `k`; `of` says which."""

    def of(self, lists: RankedLists, k: int) -> float:
        """The value at `k`."""
        raise NotImplementedError

    def overall(self, lists: RankedLists) -> dict[str, float]:
        """See `Overall.overall`."""
        self.check(lists)
        return {self.named(k): self.of(lists, k) for k in self.k}


def recommendation_counts(lists: RankedLists, k: int) -> np.ndarray:
    """How often each item stands in the first `k` of the lists, zeros included, ``(n_items,)``."""
    listed = lists.items[:, :k]
    return np.bincount(listed[listed >= 0], minlength=len(lists.popularity))


def head_items(popularity: np.ndarray) -> np.ndarray:
    """The fewest items that hold `HEAD_SHARE` of all interactions, bool, ``(n_items,)``.

    Items as popular as the last of them belong to the head too, so that codes mean nothing.
    """
    falling = np.sort(popularity)[::-1].astype(np.float64)
    held = np.cumsum(falling)
    if not len(held) or held[-1] == 0:
        return np.zeros(len(popularity), dtype=bool)
    most = HEAD_SHARE * held[-1] * (1 - 1e-12)  # a product may round up past what is held
    return popularity >= falling[np.searchsorted(held, most)]


def mean_listed(values: np.ndarray, lists: RankedLists, k: int) -> np.ndarray:
    """The mean of `values` (one an item) over each user's first `k`; NaN for an empty list."""
    listed = lists.items[:, :k]
    given = listed >= 0
    n_given = given.sum(axis=1)
    total = np.where(given, values[np.maximum(listed, 0)], 0.0).sum(axis=1)
    return np.where(n_given > 0, total / np.maximum(n_given, 1), np.nan)
