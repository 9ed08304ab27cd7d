"""The buy-till-you-die summary of a customer: repeat purchases, their span, time watched, spend."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from growthlab.data.event_log import EventLog
from growthlab.split.global_time import known_at


def btyd_summary(log: EventLog, snapshot: datetime) -> pd.DataFrame:
    """One row a customer with a purchase strictly before `snapshot`, indexed by ``user_id``.

    All float64, in days; purchases of one day count once. ``frequency``: repeat purchases
    (distinct purchase days - 1). ``recency``: days from the first to the last purchase day (0
    without a repeat; *not* the days since the last). ``T``: days from the first purchase day to the
    snapshot. ``monetary_value``: mean spend on a repeat day (NaN without a repeat or prices).
    """
    log.require("timestamp", needed_by="the purchase summary (frequency, recency, T)")
    summary = known_at(log, snapshot).query(
        f"""
        WITH days AS (
            SELECT user_id, {DAY} AS day, sum({spend_of(log)}) AS spend
            FROM events WHERE event_type = 'purchase' GROUP BY ALL
        )
        SELECT user_id,
            count(*) - 1.0 AS frequency,
            date_diff('day', min(day), max(day))::DOUBLE AS recency,
            {days_before(snapshot, "min(day)")} AS T,
            (sum(spend) - arg_min(spend, day)) / nullif(count(*) - 1, 0) AS monetary_value
        FROM days GROUP BY user_id ORDER BY user_id
        """
    )
    return summary.set_index("user_id")


DAY = "date_trunc('day', timestamp)::TIMESTAMP"  # SQL for the day of an event, in UTC


def before(log: EventLog, snapshot: datetime) -> EventLog:
    """The events known at `snapshot`: they had happened and (where logged) had been taken in.

    Purchases that were cancelled by then are among them; `known_at` leaves them out.
    """
    condition = f"timestamp < {moment(snapshot)}"
    if "ingested_at" in log.columns:
        condition += f" AND coalesce(ingested_at, timestamp) < {moment(snapshot)}"
    return log.where(condition)


def moment(time: datetime) -> str:
    """The time as an SQL literal."""
    return f"TIMESTAMP '{time.isoformat(sep=' ', timespec='microseconds')}'"


def days_before(snapshot: datetime, time: str) -> str:
    """SQL for the days, with fractions, from `time` to the snapshot."""
    return f"((epoch_us({moment(snapshot)}) - epoch_us({time})) / 86400e6)"


def spend_of(log: EventLog) -> str:
    """SQL for the money of one event, positive for returns as well; NULL without prices."""
    if "unit_price" not in log.columns:
        return "NULL::DOUBLE"
    return f"({units_of(log)} * unit_price)"


def units_of(log: EventLog) -> str:
    """SQL for the units of one event: 1 where the log does not say."""
    return "abs(coalesce(quantity, 1))" if "quantity" in log.columns else "1"
