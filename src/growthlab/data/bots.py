"""Bots: users who make more events on one day than anybody does by hand, as far as was known."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from growthlab.data.event_log import EventLog


def find_bots(known: EventLog, events_a_day: int) -> list[str]:
    """The users with more events than that on any day, sorted.

    Use it on what was known at a date: on a whole log it knows who becomes busy later.
    """
    found = known.query(
        "SELECT DISTINCT user_id FROM (SELECT user_id FROM events WHERE user_id IS NOT NULL "
        f"GROUP BY user_id, CAST(timestamp AS DATE) HAVING count(*) > {int(events_a_day)}) ORDER BY ALL"
    )
    return found["user_id"].tolist()


def without_users(log: EventLog, user_ids: Collection[str]) -> EventLog:
    """The log without all events of these users."""
    if not user_ids:
        return log
    return log.derive(
        "SELECT * FROM events WHERE user_id IS NULL "
        "OR user_id NOT IN (SELECT user_id FROM left_out_users)",
        {"left_out_users": pd.DataFrame({"user_id": sorted(user_ids)}, dtype="str")},
    )
