"""Prefixes: the same histories cut at several moments, a row for each user and moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from growthlab.core.histories import Catalogue, Histories

EVENTS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Prefixes:
    """Row `r` has the first ``lengths[r]`` events of the user ``owners[r]`` in `whole`.

    Rows of one user are adjacent. Events are stored once, however many rows share them: `select`
    builds `Histories` of some rows, and the other attributes are named as there.
    """

    whole: Histories
    owners: np.ndarray  # (n_rows,) int64, user rows of `whole`, ascending
    lengths: np.ndarray  # (n_rows,) int64, events a row

    @classmethod
    def until(cls, whole: Histories, owners: np.ndarray, times: np.ndarray) -> Self:
        """The events of each row's user strictly before the row's time."""
        low, high = whole.offsets[owners], whole.offsets[owners + 1]
        while (open_ := low < high).any():  # a binary search of all rows at once
            middle = np.minimum((low + high) // 2, max(whole.n_events - 1, 0))
            earlier = whole.times[middle] < times
            low = np.where(open_ & earlier, middle + 1, low)
            high = np.where(open_ & ~earlier, middle, high)
        return cls(whole, owners, low - whole.offsets[owners])

    @classmethod
    def all_of(cls, histories: Histories | Prefixes) -> Prefixes:
        """A row a user with all events; prefixes are returned unchanged."""
        if isinstance(histories, Prefixes):
            return histories
        return cls(histories, np.arange(histories.n_users), histories.lengths)

    @property
    def n_users(self) -> int:
        """The number of rows."""
        return len(self.owners)

    @property
    def n_items(self) -> int:
        """The size of the catalogue."""
        return self.whole.n_items

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self.whole.catalogue

    @cached_property
    def user_ids(self) -> np.ndarray:
        """The user of each row, shape ``(n_rows,)``."""
        return self.whole.user_ids[self.owners]

    def where(self, kept: np.ndarray) -> Self:
        """The rows where `kept` (bool, one a row) holds."""
        return replace(self, owners=self.owners[kept], lengths=self.lengths[kept])

    def select(self, rows: np.ndarray) -> Histories:
        """The given rows as histories, in the given order."""
        owners, lengths = self.owners[rows], self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        starts = self.whole.offsets[owners] - offsets[:-1]
        picked = np.arange(offsets[-1]) + np.repeat(starts, lengths)
        return replace(
            self.whole,
            offsets=offsets,
            items=self.whole.items[picked],
            times=self.whole.times[picked],
            event_types=self.whole.event_types[picked],
            quantities=self.whole.quantities[picked],
            prices=self.whole.prices[picked],
            user_codes=self.whole.user_codes[owners],
            user_ids=self.whole.user_ids[owners],
        )

    def blocks(self) -> Iterator[tuple[slice, Histories]]:
        """All rows in slices of at most `EVENTS_AT_ONCE` events, or one row, with their histories."""
        ends = np.cumsum(self.lengths)
        start = 0
        while start < self.n_users:
            before = ends[start - 1] if start else 0
            stop = int(np.searchsorted(ends, before + EVENTS_AT_ONCE, side="right"))
            rows = slice(start, max(start + 1, stop))
            yield rows, self.select(np.arange(rows.start, rows.stop))
            start = rows.stop

    def contains(self, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether each row holds the item at the same place; False for -1; same shape as `items`."""
        pairs, places = self._firsts
        if not len(pairs):
            return np.zeros(items.shape, dtype=bool)
        wanted = self.owners[rows] * self.n_items + items
        at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
        return (pairs[at] == wanted) & (places[at] < self.lengths[rows]) & (items >= 0)

    @cached_property
    def _firsts(self) -> tuple[np.ndarray, np.ndarray]:
        """User and item of each pair in `whole`, sorted, and the place of its first event."""
        owners = self.whole.rows
        pairs = owners * self.n_items + self.whole.items
        order = np.argsort(pairs, kind="stable")  # events of a user are stored oldest first
        pairs = pairs[order]
        firsts = order[np.flatnonzero(np.diff(pairs, prepend=-1))]
        places = firsts - self.whole.offsets[:-1][owners[firsts]]
        return pairs[np.diff(pairs, prepend=-1) != 0], places
