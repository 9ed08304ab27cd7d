"""The k-core of a log: its users and items with enough events."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from growthlab.core.growing_array import GrowingArray, release_pages
from growthlab.data.event_log import EventLog

_PAIRS = (
    "SELECT user_id, item_id, count(*)::INTEGER AS n FROM events "
    "WHERE user_id IS NOT NULL AND item_id IS NOT NULL GROUP BY user_id, item_id"
)


def k_core(
    past: EventLog, min_user_events: int = 1, min_item_events: int = 1
) -> tuple[pa.Array, pa.Array]:
    """The users and items that remain when those with too few events are removed until all have enough.

    Only events with a user and an item count. Use it on the past of a fold: on a whole log it leaks. The
    numbers of events lie in temporary files and are counted a part of the log at a time.
    """
    pairs = _CodedPairs(past)
    users, items = (np.ones(len(ids), dtype=bool) for ids in (pairs.user_ids, pairs.item_ids))
    while True:
        n_of_users, n_of_items = pairs.counts(users, items)
        enough = n_of_users >= min_user_events, n_of_items >= min_item_events
        if np.array_equal(enough[0], users) and np.array_equal(enough[1], items):
            return pairs.user_ids.filter(pa.array(users)), pairs.item_ids.filter(pa.array(items))
        users, items = enough


class _CodedPairs:
    """The pairs of users and items as codes, part by part, with their numbers of events."""

    def __init__(self, past: EventLog) -> None:
        distinct = past.arrow("SELECT DISTINCT item_id FROM events WHERE item_id IS NOT NULL")
        self.item_ids = distinct["item_id"].combine_chunks()
        arrays = [GrowingArray(np.dtype(np.int32)) for _ in range(3)]
        user_ids: list[pa.Array] = []
        self._until = [(0, 0)]  # pairs and users up to the end of each part
        for part in past.parts():
            pairs = part.arrow(_PAIRS)
            users = pairs["user_id"].combine_chunks().dictionary_encode()
            items = pc.index_in(pairs["item_id"], value_set=self.item_ids)
            columns = users.indices, items, pairs["n"]
            for array, column in zip(arrays, columns, strict=True):
                array.append(column.to_numpy())
            user_ids.append(users.dictionary)
            n_pairs, n_users = self._until[-1]
            self._until.append((n_pairs + len(pairs), n_users + len(users.dictionary)))
        self.user_ids = pa.concat_arrays(user_ids)
        self._users, self._items, self._n = (array.mapped() for array in arrays)

    def counts(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The events of each user and each item among the users and items that are left."""
        of_users = np.zeros(len(users), dtype=np.int64)
        of_items = np.zeros(len(items), dtype=np.int64)
        for (start, first), (stop, last) in zip(self._until, self._until[1:], strict=False):
            user, item, n = (a[start:stop] for a in (self._users, self._items, self._n))
            weights = np.where(users[first:last][user] & items[item], n, 0)
            of_users[first:last] = np.bincount(user, weights, last - first)
            of_items += np.bincount(item, weights, len(items)).astype(np.int64)
            release_pages(self._users, self._items, self._n)
        return of_users, of_items
