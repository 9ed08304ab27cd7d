"""The buy-till-you-die summary of a customer: repeat purchases, their span, time observed, spend."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from growthlab.data.as_of import known_at
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import DAY, days_before, spend_of


def btyd_summary(log: EventLog, snapshot: datetime) -> pd.DataFrame:
    """One row a customer with a purchase strictly before `snapshot`, indexed by ``user_id``.

    All float64, in days; purchases of one day count once. ``frequency``: repeat purchases
    (distinct purchase days - 1). ``recency``: days from the first to the last purchase day (0
    without a repeat; *not* the days since the last). ``T``: days from the first purchase day to the
    snapshot. ``monetary_value``: mean spend on a repeat day (NaN without a repeat or prices).
    """
    log.require("timestamp", needed_by="the purchase summary (frequency, recency, T)")
    return pd.concat([_part_summary(part, snapshot) for part in log.parts()])


def _part_summary(log: EventLog, snapshot: datetime) -> pd.DataFrame:
    """The summary of customers whose events are all in the log."""
    summary = known_at(log, snapshot).query(
        f"""
        WITH days AS (
            SELECT user_id, {DAY} AS day, sum({spend_of(log)}) AS spend
            FROM events WHERE event_type = 'purchase' GROUP BY ALL
        )
        SELECT user_id,
            count(*)::DOUBLE - 1 AS frequency,
            date_diff('day', min(day), max(day))::DOUBLE AS recency,
            {days_before(snapshot, "min(day)")} AS T,
            (sum(spend) - arg_min(spend, day) FILTER (WHERE spend IS NOT NULL))
                / nullif(count(*) - 1, 0) AS monetary_value
        FROM days GROUP BY user_id ORDER BY user_id
        """
    )
    return summary.set_index("user_id")
