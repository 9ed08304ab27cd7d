"""What was known at a date: the events recorded by then, and the rows of items and users known by then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.calendar import UTC_CALENDAR, Calendar
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import OWN_EVENTS, sql_time
from growthlab.data.kinds import EVENT_KINDS, KNOWN_FROM
from growthlab.data.normalise import to_local
from growthlab.data.sql_text import quoted_text


def known_at(log: EventLog, cutoff: datetime) -> EventLog:
    """What was known just before the cutoff: events recorded by then, items launched by then.

    A purchase whose cancellation was known is left out; one that was cancelled later looks like any
    other. Of several rows of an item or a user the newest that was known is there, none where all of
    them became known later.
    """
    known = _hide_later_cancellations(events_recorded_before(log, cutoff), cutoff)
    rows = (partial(_known_rows, cutoff=cutoff), _newest_rows, partial(_launched, cutoff=cutoff))
    return without_cancelled_purchases(_choose_rows(known, *rows))


def recorded_at(log: EventLog, cutoff: datetime) -> EventLog:
    """As `known_at`, for the cutoff and snapshots before it.

    The purchases whose cancellation was known are there, each with its ``cancelled_at``, and all rows
    of an item or a user that were known, among which `known_at` chooses.
    """
    known = _hide_later_cancellations(events_recorded_before(log, cutoff), cutoff)
    return _choose_rows(known, partial(_known_rows, cutoff=cutoff))


def customer_events_at(log: EventLog, cutoff: datetime | None) -> EventLog:
    """The recorded events that have a customer, stored, with all items; null `cutoff`: all of them.

    As in `recorded_at`, only cancellations known at the cutoff have their ``cancelled_at``.
    """
    known = log
    if cutoff is not None:
        known = _hide_later_cancellations(events_recorded_before(log, cutoff), cutoff)
    return tables_at(known, cutoff).derive(
        "SELECT * FROM events WHERE user_id IS NOT NULL", store=True
    )


def past_in_calendar(
    log: EventLog, as_of: datetime | None, calendar: Calendar = UTC_CALENDAR
) -> tuple[EventLog, datetime]:
    """What a report describes: `customer_events_at` a moment in UTC, and the moment, both by a calendar.

    Null: the end of the day, by the calendar, on which customers did something last.

    Raises
    ------
    DataError
        The log has no times, or nothing was recorded before the moment.
    """
    log.require("timestamp", needed_by="what is known as of a date")
    end = end_of_last_day(log, calendar) if as_of is None else as_of
    past = customer_events_at(log, end)
    if not past.n_events:
        first, last = log.span()
        raise DataError(
            f"nobody did anything before {calendar.local(end)}: the events of {log.name} are from "
            f"{first} to {last} (UTC); choose a later date"
        )
    return in_calendar(past, calendar), calendar.local(end)


def end_of_last_day(log: EventLog, calendar: Calendar = UTC_CALENDAR) -> datetime:
    """The midnight, in UTC, after what customers did last; messages count where there is nothing else."""
    own = f"user_id IS NOT NULL AND event_type IN ({OWN_EVENTS})"
    last = log.query(f"SELECT max(timestamp) FILTER (WHERE {own}) AS own FROM events")["own"].iloc[
        0
    ]
    last = last_event_time(log) if pd.isna(last) else last.to_pydatetime()
    local = calendar.local(last).replace(hour=0, minute=0, second=0, microsecond=0)
    return calendar.utc(local + timedelta(days=1))


def in_calendar(log: EventLog, calendar: Calendar) -> EventLog:
    """The same events and tables with times as the shop's clock shows them.

    The hour that occurs twice, when clocks go back, is one: its events stand side by side.
    """
    if calendar == log.calendar:
        return log
    if calendar.timezone == log.calendar.timezone:
        local = log.with_cleaning(log.cleaning)
    else:
        assert log.calendar.timezone == "UTC"
        times = [c for c, kind in EVENT_KINDS.items() if kind == "time" and c in log.columns]
        shown = (f"local_of_utc({c}, {quoted_text(calendar.timezone)}) AS {c}" for c in times)
        local = log.derive(f"SELECT * REPLACE ({', '.join(shown)}) FROM events", store=True)
        items, users = (_local_times(t, calendar.timezone) for t in (local.items, local.users))
        local = local.with_tables(items, users)
    local.calendar = calendar
    return local


def tables_at(log: EventLog, cutoff: datetime | None) -> EventLog:
    """The log with one row an item and a user, the newest known before the cutoff (null: of all)."""
    known = () if cutoff is None else (partial(_known_rows, cutoff=cutoff),)
    return _choose_rows(log, *known, _newest_rows)


def first_tables(log: EventLog) -> EventLog:
    """The log with one row an item and a user, the oldest: for splits without a common cutoff.

    Without a cutoff nothing says which of several rows was known, and a later one could tell what
    became of an item or a user.
    """
    return _choose_rows(log, partial(_newest_rows, keep="first"))


def without_unseen_items(log: EventLog) -> EventLog:
    """The log without items of its table that have no event and no date: nobody may have had them yet.

    An item with an `available_from` or a `known_from` is as old as that says.
    """
    items = log.items
    if items is None:
        return log
    dates = [c for c in ("available_from", KNOWN_FROM) if c in items]
    undated = items[dates].isna().all(axis=1)
    if not undated.any():
        return log
    seen = log.query("SELECT DISTINCT item_id FROM events WHERE item_id IS NOT NULL")["item_id"]
    kept = ~undated | items["item_id"].isin(seen)
    return log if kept.all() else log.with_rows(items[kept].reset_index(drop=True), log.users)


def untimed_columns(log: EventLog, columns: Iterable[str]) -> list[str]:
    """Those of the columns, such as ``users.tier``, whose table does not say when a row became known.

    What such a column holds may have been written after the cutoff. Columns that the log does not
    have and the dates of the tables themselves are left out.
    """
    dates = ("available_from", KNOWN_FROM)
    found = set()
    for column in columns:
        table, _, name = column.partition(".")
        frame = {"items": log.items, "users": log.users}[table]
        if frame is not None and name in frame and name not in dates and KNOWN_FROM not in frame:
            found.add(column)
    return sorted(found)


def without_cancelled_purchases(log: EventLog) -> EventLog:
    """The log without purchases that were cancelled, at whatever time."""
    return log.where("cancelled_at IS NULL") if "cancelled_at" in log.columns else log


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


def _hide_later_cancellations(log: EventLog, cutoff: datetime) -> EventLog:
    """The log in which a purchase that was cancelled later, in whole or in part, is one row again."""
    if "cancelled_at" not in log.columns:
        return log
    if "quantity" in log.columns:
        log = _with_whole_purchases(log, cutoff)
    cancelled = f"CASE WHEN cancelled_at < {sql_time(cutoff)} THEN cancelled_at END AS cancelled_at"
    return log.derive(f"SELECT * REPLACE ({cancelled}) FROM events")


def _with_whole_purchases(log: EventLog, cutoff: datetime) -> EventLog:
    """The log with each part that was cancelled from the cutoff on added to what is left of its purchase."""
    keys = sorted(log.columns - {"quantity", "cancelled_at"})
    same = " AND ".join(f"events.{c} IS NOT DISTINCT FROM later.{c}" for c in keys)
    later = f"event_type = 'purchase' AND cancelled_at >= {sql_time(cutoff)}"
    in_parts = f"cancelled_at IS NULL AND EXISTS (SELECT 1 FROM later WHERE {same}) OR {later}"
    return log.derive(
        f"WITH later AS (SELECT * FROM events WHERE {later}), "
        f"marked AS (SELECT *, coalesce({in_parts}, false) AS is_part FROM events) "
        "SELECT * EXCLUDE (is_part) FROM marked WHERE NOT is_part UNION ALL BY NAME "
        f"SELECT {', '.join(keys)}, sum(quantity) AS quantity, NULL::TIMESTAMP AS cancelled_at "
        f"FROM marked WHERE is_part GROUP BY {', '.join(keys)}"
    )


def _choose_rows(log: EventLog, *choices: Callable[[pd.DataFrame, str], pd.DataFrame]) -> EventLog:
    """The log with some rows of its tables; a choice takes a table and the name of its ids."""

    def chosen(table: pd.DataFrame | None, id_column: str) -> pd.DataFrame | None:
        if table is None:
            return None
        rows = table
        for choose in choices:
            rows = choose(rows, id_column)
        return table if len(rows) == len(table) else rows.reset_index(drop=True)

    items, users = chosen(log.items, "item_id"), chosen(log.users, "user_id")
    return log if items is log.items and users is log.users else log.with_rows(items, users)


def _local_times(table: pd.DataFrame | None, timezone: str) -> pd.DataFrame | None:
    """The table with the dates that it says of itself as clocks of a zone show them."""
    dates = [c for c in ("available_from", KNOWN_FROM) if table is not None and c in table]
    if table is None or not dates:
        return table
    return table.assign(**{c: to_local(table[c], timezone) for c in dates})


def _known_rows(table: pd.DataFrame, id_column: str, cutoff: datetime) -> pd.DataFrame:
    """The rows known before the cutoff: all of a table that does not say when."""
    return table[table[KNOWN_FROM] < cutoff] if KNOWN_FROM in table else table


def _newest_rows(
    table: pd.DataFrame, id_column: str, keep: Literal["first", "last"] = "last"
) -> pd.DataFrame:
    """One row an id: a table with several is sorted by when they became known."""
    twice = table[id_column].duplicated(keep=keep)
    return table[~twice] if twice.any() else table


def _launched(table: pd.DataFrame, id_column: str, cutoff: datetime) -> pd.DataFrame:
    """The rows that are not known to be on sale only from the cutoff or later."""
    if id_column != "item_id" or "available_from" not in table:
        return table
    launched = table["available_from"]
    return table[launched.isna() | (launched < cutoff)]
