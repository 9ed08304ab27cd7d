"""Event steps: a customer's latest active days before a snapshot, the input of event models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from growthlab.data.as_of import known_at
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import BEHAVIOURS, DAY, OWN_EVENTS, days_before, spend_of
from growthlab.features.step_facts import FACTS, N_STEPS


def event_steps(
    log: EventLog, snapshot: datetime, user_ids: Sequence[str] | np.ndarray
) -> np.ndarray:
    """The latest active days of each of `user_ids`, newest first; ``(n_users, N_STEPS, n_facts)``.

    A step is a UTC day with events of the customer's own that were known strictly before
    `snapshot`: how many days ago it began, lines bought, money spent, events browsed (views,
    searches, ...), lines returned. float32; NaN beyond the first step of a history. All events of a
    day are one step, so that their order cannot matter.
    """
    browsed = ", ".join(f"'{kind}'" for kind in BEHAVIOURS)
    days = known_at(log, snapshot).query(
        f"""
        WITH days AS (
            SELECT user_id, {DAY} AS day,
                count(*) FILTER (WHERE event_type = 'purchase') AS bought,
                coalesce(sum({spend_of(log)}) FILTER (WHERE event_type = 'purchase'), 0) AS spent,
                count(*) FILTER (WHERE event_type IN ({browsed})) AS browsed,
                count(*) FILTER (WHERE event_type = 'return') AS returned
            FROM events WHERE event_type IN ({OWN_EVENTS}) GROUP BY ALL
        )
        SELECT user_id, {days_before(snapshot, "day")} AS ago, bought, spent, browsed, returned,
            row_number() OVER (PARTITION BY user_id ORDER BY day DESC) - 1 AS place
        FROM days QUALIFY place < {N_STEPS}
        """
    )
    ids = np.asarray(user_ids, dtype=str)
    order = np.argsort(ids)
    users = days["user_id"].to_numpy(dtype=str)
    steps = np.full((len(ids), N_STEPS, len(FACTS)), np.nan, dtype=np.float32)
    if not len(ids) or not len(users):
        return steps
    rows = order[np.minimum(np.searchsorted(ids[order], users), len(ids) - 1)]
    kept = ids[rows] == users
    steps[rows[kept], days["place"].to_numpy()[kept]] = days[list(FACTS)].to_numpy()[kept]
    return steps
