"""A seeded share of the customers with all their events, for a first look at a large log."""

from __future__ import annotations

from growthlab.data.cleaning_report import Dropped, report_of_counts
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import hashed_place

PURPOSE = "sample of users"


def sample_of_users(log: EventLog, share: float, seed: int) -> EventLog:
    """The log of about this share of its users: who is among them depends on the raw id and the seed alone.

    Events without a user are left out. A smaller share takes some of the same users.
    """
    chosen = f"{hashed_place('user_id', seed, PURPOSE)} < {round(share * 2**32)}"
    sample = log.derive(f"SELECT * FROM events WHERE {chosen}", store=True)
    if log.users is not None:
        ids = log.query(f"SELECT DISTINCT user_id FROM users WHERE {chosen}")["user_id"]
        kept = log.users[log.users["user_id"].isin(ids)].reset_index(drop=True)
        sample = sample.with_tables(log.items, kept)
    why = f"data.sample_users={share:g}: a share of the customers with all their events"
    before, after = (tuple(each.counts.values()) for each in (log, sample))
    dropped = Dropped(before[1] - after[1], (log.value, sample.value), wanted=True)
    row = report_of_counts("sample of users", why, before, after, 0, dropped)
    return sample.with_cleaning([*log.cleaning, row])
