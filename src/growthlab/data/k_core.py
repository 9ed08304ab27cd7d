"""The k-core of a log: its users and items with enough events."""

from __future__ import annotations

import numpy as np
import pandas as pd

from growthlab.data.event_log import EventLog


def k_core(
    past: EventLog, min_user_events: int = 1, min_item_events: int = 1
) -> tuple[set[str], set[str]]:
    """The users and items that remain when those with too few events are removed until all have enough.

    Only events with a user and an item count. Use it on the past of a fold: on a whole log it leaks.
    """
    pairs = past.query(
        "SELECT user_id, item_id, count(*) AS n FROM events "
        "WHERE user_id IS NOT NULL AND item_id IS NOT NULL GROUP BY user_id, item_id"
    )
    users, user_ids = pd.factorize(pairs["user_id"])
    items, item_ids = pd.factorize(pairs["item_id"])
    n = pairs["n"].to_numpy(copy=True)
    while True:
        few = np.bincount(users, n, len(user_ids))[users] < min_user_events
        few |= np.bincount(items, n, len(item_ids))[items] < min_item_events
        if not (few & (n > 0)).any():
            break
        n[few] = 0
    return set(user_ids[users[n > 0]]), set(item_ids[items[n > 0]])
