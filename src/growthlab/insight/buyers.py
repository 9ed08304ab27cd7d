"""Buyers as of a date: who had bought, how long ago, how often and for how much."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from growthlab.data.as_of import known_at
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import DAY, days_before, spend_of, sql_time
from growthlab.insight.purchase_sql import ORDER_KEY
from growthlab.insight.report_scope import SectionUnavailable


def buyers(log: EventLog, as_of: datetime, since: datetime | None = None) -> pd.DataFrame:
    """One row a customer with a purchase before `as_of` that was not cancelled, by ``user_id``.

    Columns first_day, last_day, days_since_last (to `as_of`, with fractions), orders and spend
    (purchases less returns, at least 0; NaN where the log has no prices). With `since`, orders and
    spend count only events from then on; they are 0 for customers without any.

    Raises
    ------
    DataError
        The log has no timestamps.
    Unavailable
        Nobody bought before `as_of`.
    """
    log.require("timestamp", needed_by="segments as of a date")
    in_window = "true" if since is None else f"timestamp >= {sql_time(since)}"
    money = f"CASE event_type WHEN 'return' THEN -{spend_of(log)} ELSE {spend_of(log)} END"
    customers = (
        known_at(log, as_of)
        .query(f"""
        SELECT user_id,
            min({DAY}) FILTER (WHERE event_type = 'purchase') AS first_day,
            max({DAY}) FILTER (WHERE event_type = 'purchase') AS last_day,
            {days_before(as_of, "max(timestamp) FILTER (WHERE event_type = 'purchase')")}
                AS days_since_last,
            count(DISTINCT {ORDER_KEY}) FILTER (WHERE event_type = 'purchase' AND {in_window})
                AS orders,
            sum({money}) FILTER (WHERE {in_window}) AS spend
        FROM events WHERE event_type IN ('purchase', 'return') GROUP BY user_id
        HAVING first_day IS NOT NULL ORDER BY user_id
    """)
        .set_index("user_id")
    )
    if customers.empty:
        raise SectionUnavailable(f"nobody in {log.name} bought anything before {as_of}")
    if "unit_price" in log.columns:
        customers["spend"] = customers["spend"].astype("float64").fillna(0.0).clip(lower=0.0)
    return customers


def purchase_gaps(log: EventLog, as_of: datetime) -> pd.DataFrame:
    """The days between neighbouring purchase days before `as_of`: user_id, day (the later), gap."""
    return known_at(log, as_of).query(f"""
        SELECT user_id, day, date_diff('day', lag(day) OVER one, day) AS gap
        FROM (SELECT DISTINCT user_id, {DAY} AS day FROM events WHERE event_type = 'purchase')
        WINDOW one AS (PARTITION BY user_id ORDER BY day)
        QUALIFY gap IS NOT NULL ORDER BY user_id, day
    """)
