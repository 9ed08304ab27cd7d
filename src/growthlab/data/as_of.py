"""What was known at a date: the events that had happened and been recorded by then."""

from __future__ import annotations

from datetime import datetime, timedelta

from growthlab.data.cancellations import without_cancelled_purchases
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import sql_time


def known_at(log: EventLog, cutoff: datetime) -> EventLog:
    """What was known just before the cutoff: events recorded by then, items launched by then.

    A purchase whose cancellation was known is left out; one that was cancelled later looks like any
    other.
    """
    return without_cancelled_purchases(recorded_at(log, cutoff))


def recorded_at(log: EventLog, cutoff: datetime) -> EventLog:
    """As `known_at`, with the purchases whose cancellation was known, each with its ``cancelled_at``."""
    known = _hide_later_cancellations(events_recorded_before(log, cutoff), cutoff)
    if log.items is None or "available_from" not in log.items:
        return known
    launched = log.items["available_from"]
    return known.with_items(log.items[launched.isna() | (launched < cutoff)])


def customer_events_at(log: EventLog, cutoff: datetime | None) -> EventLog:
    """The recorded events that have a customer, stored, with all items; null `cutoff`: all of them.

    As in `recorded_at`, only cancellations known at the cutoff have their ``cancelled_at``.
    """
    known = log
    if cutoff is not None:
        known = _hide_later_cancellations(events_recorded_before(log, cutoff), cutoff)
    return known.derive("SELECT * FROM events WHERE user_id IS NOT NULL", store=True)


def events_recorded_before(log: EventLog, cutoff: datetime) -> EventLog:
    """The events that happened and (where the log says when) were ingested before the cutoff.

    Cancelled purchases are among them, with their ``cancelled_at`` even if it is later.
    """
    condition = f"timestamp < {sql_time(cutoff)}"
    if "ingested_at" in log.columns:
        condition += f" AND coalesce(ingested_at, timestamp) < {sql_time(cutoff)}"
    return log.where(condition)


def last_event_time(log: EventLog) -> datetime:
    """The time of the newest event; DataError for a log without times."""
    log.require("timestamp", needed_by="what is known as of a date")
    last = log.span()[1]
    assert isinstance(last, datetime)
    return last


def end_of_day(moment: datetime) -> datetime:
    """The midnight after a moment: the default `as_of` of reports and segments."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _hide_later_cancellations(log: EventLog, cutoff: datetime) -> EventLog:
    if "cancelled_at" not in log.columns:
        return log
    cancelled = f"CASE WHEN cancelled_at < {sql_time(cutoff)} THEN cancelled_at END AS cancelled_at"
    return log.derive(f"SELECT * REPLACE ({cancelled}) FROM events")
