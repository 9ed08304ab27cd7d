"""SQL pieces about events: a time, a day, an age, units and money."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from growthlab.data.kinds import EVENT_COLUMNS

BEHAVIOURS = {  # event types of browsing -> the plural used in names of features
    "view": "views",
    "search": "searches",
    "favourite": "favourites",
    "cart": "carts",
    "review": "reviews",
}
# without messages and clicks: a win-back mail is sent because of churn, and would reveal it
OWN_EVENTS = ", ".join(f"'{kind}'" for kind in ("purchase", "return", *BEHAVIOURS))
DAY = "date_trunc('day', timestamp)::TIMESTAMP"  # SQL for the day of an event


class HasColumns(Protocol):
    """An event log, of which these pieces need the columns alone."""

    @property
    def columns(self) -> Collection[str]:
        """The columns that are not all null."""
        ...


def sql_time(time: datetime) -> str:
    """The time as an SQL literal."""
    return f"TIMESTAMP '{time.isoformat(sep=' ', timespec='microseconds')}'"


def days_before(snapshot: datetime, time: str) -> str:
    """SQL for the days, with fractions, from `time` to the snapshot."""
    return f"((epoch_us({sql_time(snapshot)}) - epoch_us({time})) / 86400e6)"


def spend_of(log: HasColumns) -> str:
    """SQL for the money of one event, positive for returns as well; NULL without prices."""
    if "unit_price" not in log.columns:
        return "NULL::DOUBLE"
    return f"({units_of(log)} * unit_price)"


def value_of(columns: Collection[str]) -> str:
    """SQL for the money of all lines of purchases and returns, whatever their sign; NULL without prices."""
    if not {"unit_price", "event_type"} <= {*columns}:
        return "NULL::DOUBLE"
    units = "coalesce(quantity, 1)" if "quantity" in columns else "1"
    of_lines = "event_type IN ('purchase', 'return')"
    return f"round(coalesce(sum(abs({units} * unit_price)) FILTER (WHERE {of_lines}), 0), 2)"


def units_of(log: HasColumns) -> str:
    """SQL for the units of one event: 1 where the log does not say."""
    return "abs(coalesce(quantity, 1))" if "quantity" in log.columns else "1"


def hashed_place(column: str, seed: int, purpose: str) -> str:
    """SQL for a whole number from 0 to 2 ** 32 - 1 that depends on a raw id, a seed and a purpose alone."""
    key = f"md5(concat_ws(chr(31), {int(seed)}, '{purpose}', {column}))"
    return f"CAST('0x' || left({key}, 8) AS BIGINT)"


def event_order(columns: frozenset[str], ordered_by: str) -> str:
    """SQL for the order of events: by every column, so that it does not depend on how they were stored."""
    first = ["user_id", ordered_by, "item_id", "event_type"]
    last = [c for c in EVENT_COLUMNS if c in columns and c not in first]
    return ", ".join([*first, *last])
