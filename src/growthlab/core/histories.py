"""Histories and Catalogue: customers' events before a cutoff and the items, as arrays for models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

EVENT_TYPES = (
    "view",
    "search",
    "favourite",
    "cart",
    "purchase",
    "return",
    "review",
    "impression",
    "click",
    "message",
)
EVENT_ARRAYS = ("items", "times", "event_types", "quantities", "prices")  # one value an event
EVENT_CODE = {name: code for code, name in enumerate(EVENT_TYPES)}
UNKNOWN = -1
LATEST = 4 * 10**18  # microseconds: differences of two times stay within 64 bits


@dataclass(frozen=True)
class Catalogue:
    """The items known before the cutoff; an item's code is its index in `item_ids`.

    `text`, `category` and `attributes` hold one string an item (empty if unknown), `attributes` as
    ``name=value`` pairs joined by ``|``; `price` is in the log's currency, NaN if unknown;
    `in_stock` says whether an item can be sold, False if unknown.
    """

    item_ids: np.ndarray  # (n_items,) str, sorted
    text: np.ndarray | None = None
    category: np.ndarray | None = None
    attributes: np.ndarray | None = None
    price: np.ndarray | None = None  # (n_items,) float32
    in_stock: np.ndarray | None = None  # (n_items,) bool

    def __len__(self) -> int:
        return len(self.item_ids)

    def codes(self, raw_ids: Sequence[str] | np.ndarray) -> np.ndarray:
        """The code of each raw id, shape ``(n,)``, int32; `UNKNOWN` for an id outside the catalogue."""
        return codes_of(raw_ids, self.item_ids)

    @property
    def category_names(self) -> np.ndarray:
        """The distinct categories, sorted; a category's code is its place here."""
        return self._categories[0]

    @property
    def category_codes(self) -> np.ndarray:
        """The category of each item, ``(n_items,)``, int32; `UNKNOWN` for an item without one."""
        return self._categories[1]

    @cached_property
    def _categories(self) -> tuple[np.ndarray, np.ndarray]:
        """The distinct categories and each item's code, computed once."""
        if self.category is None:
            return np.zeros(0, dtype="<U1"), np.full(len(self), UNKNOWN, dtype=np.int32)
        names, codes = np.unique(self.category, return_inverse=True)
        n_empty = int(len(names) and names[0] == "")  # "" sorts first
        return names[n_empty:], (codes - n_empty).astype(np.int32)  # "" is -1: UNKNOWN

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The known fields by name, which can be saved without pickle."""
        names = ("item_ids", "text", "category", "attributes", "price", "in_stock")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The catalogue that `to_arrays` wrote."""
        return cls(**dict(arrays))


@dataclass(frozen=True)
class Histories:
    """Events a user, oldest first, in CSR form: user row `u` owns events ``offsets[u]:offsets[u + 1]``.

    Events of one user at equal times are one basket, stored by item code; their order has no meaning,
    and no model may learn from it. A log without timestamps has ``timed=False`` and the position in the
    user's order as its time. `user_codes` are indices into the vocabulary of the fit, `UNKNOWN` for a
    user outside it; `quantities` and `prices` are NaN if unknown.
    """

    offsets: np.ndarray  # (n_users + 1,) int64
    items: np.ndarray  # (n_events,) int32
    times: np.ndarray  # (n_events,) int64, microseconds since 1970 (UTC) or positions
    event_types: np.ndarray  # (n_events,) uint8, places in EVENT_TYPES
    quantities: np.ndarray  # (n_events,) float32
    prices: np.ndarray  # (n_events,) float32, of one unit
    user_codes: np.ndarray  # (n_users,) int32
    user_ids: np.ndarray  # (n_users,) str
    catalogue: Catalogue = field(repr=False)
    timed: bool = True

    @property
    def n_users(self) -> int:
        """The number of user rows, including users without any event."""
        return len(self.offsets) - 1

    @property
    def n_items(self) -> int:
        """The size of the catalogue, whether or not an item has events."""
        return len(self.catalogue)

    @property
    def n_events(self) -> int:
        """The number of events of all users."""
        return len(self.items)

    @property
    def lengths(self) -> np.ndarray:
        """Events a user, shape ``(n_users,)``."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> np.ndarray:
        """The user row of each event, shape ``(n_events,)``."""
        return np.repeat(np.arange(self.n_users), self.lengths)

    @property
    def baskets(self) -> np.ndarray:
        """The basket (same user, same time) of each event, from 0 over all users, ``(n_events,)``."""
        if not self.n_events:
            return np.zeros(0, dtype=np.int64)
        rows = self.rows
        starts = (np.diff(rows) != 0) | (np.diff(self.times) != 0)
        return np.concatenate([[0], np.cumsum(starts)]).astype(np.int64)

    @property
    def is_oldest_first(self) -> bool:
        """Whether the events of each user are sorted by time."""
        falls = np.diff(self.times) < 0
        if falls.any():
            starts = self.offsets[1:-1]
            falls[starts[(starts > 0) & (starts < self.n_events)] - 1] = False
        return not falls.any()

    def matrix(self, weights: np.ndarray | None = None) -> csr_matrix:
        """Users x items, float32: 1 where the user has the item, or the sum of `weights` (one an event)."""
        from scipy.sparse import csr_matrix

        values = np.ones(self.n_events) if weights is None else weights
        shape = (self.n_users, self.n_items)
        csr = (values.astype(np.float32), self.items, self.offsets)
        if (
            self.n_events < self.n_items
        ):  # as in a request: avoids an array as long as the catalogue
            matrix = csr_matrix(csr, shape=shape, copy=True)
        else:  # sorts by counting, three times faster than in place
            matrix = csr_matrix(csr, shape=shape).tocsc().tocsr()
        matrix.sum_duplicates()
        if weights is None:
            matrix.data[:] = 1.0
        return matrix

    def padded(self, length: int, pad: int = UNKNOWN) -> np.ndarray:
        """The latest `length` items a user, oldest first, `pad` on the left, ``(n_users, length)``."""
        out = np.full((self.n_users, length), pad, dtype=np.int32)
        from_end = np.repeat(self.offsets[1:], self.lengths) - np.arange(
            self.n_events
        )  # 1: the newest
        kept = from_end <= length
        out[self.rows[kept], length - from_end[kept]] = self.items[kept]
        return out

    def where(self, kept: np.ndarray) -> Self:
        """The same users with only the events where `kept` (bool, one an event) is True."""
        counts = np.bincount(self.rows[kept], minlength=self.n_users)
        return replace(
            self,
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            **self._events(kept),
        )

    def before(self, time: int) -> Self:
        """The same users with only the events strictly before `time`, for nested fits."""
        return self.where(self.times < time)

    def latest(self, n: int) -> Self:
        """The same users with only the latest `n` events of each."""
        if not (self.lengths > n).any():
            return self
        from_end = np.repeat(self.offsets[1:], self.lengths) - np.arange(self.n_events)  # 1: newest
        return self.where(from_end <= n)

    def of_types(self, event_types: Sequence[str]) -> Self:
        """The same users with only the events of the given types."""
        return self.where(np.isin(self.event_types, [EVENT_CODE[t] for t in event_types]))

    def select(self, rows: np.ndarray) -> Self:
        """The given user rows, in the given order."""
        return self.ranges(self.offsets[:-1][rows], self.offsets[1:][rows], rows)

    def ranges(self, starts: np.ndarray, stops: np.ndarray, rows: np.ndarray) -> Self:
        """One row a range of events, ``starts[i]:stops[i]``, each of the user row ``rows[i]``; all ``(n,)``.

        Only these events are read, so that those of a mapped array stay in its file.
        """
        lengths = stops - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        picked = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return replace(
            self,
            offsets=offsets,
            **self._events(picked),
            user_codes=self.user_codes[rows],
            user_ids=self.user_ids[rows],
        )

    def blocks(self, n_events: int) -> Iterator[tuple[int, Self]]:
        """The users in blocks of about so many events, without a copy, each with its first user row."""
        n_blocks = max(1, -(-self.n_events // n_events))
        borders = np.searchsorted(self.offsets, np.arange(1, n_blocks) * n_events)
        inner = np.unique(borders[(borders > 0) & (borders < self.n_users)]).tolist()
        for first, stop in pairwise([0, *inner, self.n_users]):
            users, events = slice(first, stop), slice(*self.offsets[[first, stop]].tolist())
            yield (
                first,
                replace(
                    self,
                    offsets=self.offsets[first : stop + 1] - self.offsets[first],
                    **self._events(events),
                    user_codes=self.user_codes[users],
                    user_ids=self.user_ids[users],
                ),
            )

    def _events(self, chosen: np.ndarray | slice) -> dict[str, Any]:
        """The arrays of some events, by field name."""
        return {name: getattr(self, name)[chosen] for name in EVENT_ARRAYS}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Every array but the catalogue's, by field name: safe to save without pickle."""
        names = ("offsets", *EVENT_ARRAYS, "user_codes", "user_ids")
        arrays = {n: getattr(self, n) for n in names}
        return {**arrays, "timed": np.array(self.timed)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], catalogue: Catalogue) -> Self:
        """The histories that `to_arrays` wrote."""
        values = dict(arrays)
        timed = bool(values.pop("timed"))
        return cls(**values, catalogue=catalogue, timed=timed)

    @classmethod
    def from_events(
        cls,
        catalogue: Catalogue,
        user_ids: np.ndarray,
        rows: np.ndarray,
        items: np.ndarray,
        times: np.ndarray,
        *,
        event_types: np.ndarray | None = None,
        quantities: np.ndarray | None = None,
        prices: np.ndarray | None = None,
        user_codes: np.ndarray | None = None,
        timed: bool = True,
    ) -> Self:
        """Histories from one entry an event, in any order: sorted by user row, time and item.

        `rows` are places in `user_ids`; `items` are codes in `catalogue`; events default to purchases,
        and users to the vocabulary itself (user row = user code).
        """
        n, n_users = len(rows), len(user_ids)
        types = np.full(n, EVENT_CODE["purchase"]) if event_types is None else event_types
        order = _event_order(types, items, times, rows)
        counts = np.bincount(rows, minlength=n_users)
        unknown = np.full(n, np.nan)
        return cls(
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            items=np.asarray(items)[order].astype(np.int32),
            times=np.asarray(times)[order].astype(np.int64),
            event_types=np.asarray(types)[order].astype(np.uint8),
            quantities=(unknown if quantities is None else quantities)[order].astype(np.float32),
            prices=(unknown if prices is None else prices)[order].astype(np.float32),
            user_codes=(np.arange(n_users) if user_codes is None else user_codes).astype(np.int32),
            user_ids=np.asarray(user_ids),
            catalogue=catalogue,
            timed=timed,
        )

    @classmethod
    def from_lists(
        cls,
        catalogue: Catalogue,
        item_lists: Sequence[Sequence[str]],
        *,
        as_baskets: bool = False,
    ) -> Self:
        """Histories of unknown users from raw item ids, oldest first, as in a request.

        Items outside the catalogue are left out. With `as_baskets` the items of a list are one
        basket, without an order.
        """
        codes = [catalogue.codes(list(items)) for items in item_lists]
        codes = [c[c != UNKNOWN] for c in codes]
        rows = np.repeat(np.arange(len(codes)), [len(c) for c in codes])
        items = np.concatenate([*codes, np.zeros(0, dtype=np.int32)])
        steps = [np.zeros(len(c)) if as_baskets else np.arange(len(c)) for c in codes]
        times = np.concatenate([*steps, np.zeros(0)]).astype(np.int64)
        unknown = np.full(len(codes), UNKNOWN)
        user_ids = np.full(len(codes), "", dtype="<U1")
        return cls.from_events(
            catalogue, user_ids, rows, items, times, user_codes=unknown, timed=False
        )


def _event_order(
    types: np.ndarray, items: np.ndarray, times: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """The order by row, time, item and type, events that are alike in all as they came.

    Events from a saved log come sorted but for their types, which is a fast case.
    """
    keys = (rows, times, items)
    rises = np.zeros(max(len(rows) - 1, 0), dtype=bool)
    alike = np.ones(len(rises), dtype=bool)
    for key in keys:
        rises |= alike & (key[1:] > key[:-1])
        alike &= key[1:] == key[:-1]
    if not (rises | alike).all():
        return np.lexsort((types, items, times, rows))
    groups = np.concatenate([np.zeros(min(len(rows), 1), dtype=np.int64), np.cumsum(rises)])
    return np.argsort(groups * len(EVENT_TYPES) + types, kind="stable")


def codes_of(raw_ids: Sequence[str] | np.ndarray, vocabulary: np.ndarray) -> np.ndarray:
    """The index of each raw id in the sorted `vocabulary`, int32; `UNKNOWN` if it is not in it."""
    raw = np.asarray(raw_ids, dtype=str)
    if not len(vocabulary) or not len(raw):
        return np.full(len(raw), UNKNOWN, dtype=np.int32)
    if raw.dtype.itemsize > vocabulary.dtype.itemsize:
        # numpy would copy the whole vocabulary at the width of the longest raw id
        cut = raw.astype(vocabulary.dtype)
        return np.where(cut == raw, codes_of(cut, vocabulary), UNKNOWN).astype(np.int32)
    places = np.minimum(np.searchsorted(vocabulary, raw), len(vocabulary) - 1)
    return np.where(vocabulary[places] == raw, places, UNKNOWN).astype(np.int32)
