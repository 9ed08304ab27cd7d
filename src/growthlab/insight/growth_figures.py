"""Growth figures by day, week or month: new, active and buying customers, and what they spend."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from growthlab.data.calendar import Period
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import spend_of
from growthlab.insight.findings import Column
from growthlab.insight.purchase_sql import ORDER_KEY
from growthlab.insight.report_scope import ACTIVE_EVENTS, ReportScope

_OF_ACTIVE = ("active_users",)
_WHO_BOUGHT = ("buyers",)
GROWTH_COLUMNS = {
    "period": Column("date", "First day of the period, by the shop's calendar."),
    "complete": Column("label", "Whether the log covers the whole period; plots show those alone."),
    "new_users": Column(
        "customers",
        "Customers whose first active event in the log lies in the period (an event, not a "
        "registration). Empty in the burn-in, where old customers cannot be distinguished from new ones.",
        _OF_ACTIVE,
        ("new_users",),
        part_of="active_users",
    ),
    "active_users": Column(
        "customers",
        "Customers with an active event in the period.",
        _OF_ACTIVE,
        withheld_first=True,
    ),
    "mean_daily_active": Column(
        "number",
        "Active customers of a day, averaged over its days.",
        _OF_ACTIVE,
        reveals=("active_days",),
    ),
    "activity_day_ratio": Column(
        "share",
        "Active days / days of the period, averaged over the customers active in it; the same as "
        "mean_daily_active / active_users. It is not cohort retention.",
        _OF_ACTIVE,
        reveals=("active_users", "active_days"),
        withheld_first=True,
    ),
    "buyers": Column(
        "customers",
        "Customers with a purchase that was not cancelled.",
        _OF_ACTIVE,
        _WHO_BOUGHT,
        part_of="active_users",
    ),
    "user_conversion": Column(
        "share",
        "buyers / active_users; by customer, not by visit.",
        _OF_ACTIVE,
        _WHO_BOUGHT,
        withheld_first=True,
    ),
    "orders": Column("count", "Orders with a purchase that was not cancelled.", _WHO_BOUGHT),
    "gmv": Column(
        "money",
        "Gross merchandise value: quantity x price paid of all purchases, also of those cancelled "
        "or returned later.",
        _WHO_BOUGHT,
        reveals=(),
    ),
    "sales": Column(
        "money",
        "gmv without cancelled purchases; returns are still in it.",
        _WHO_BOUGHT,
        reveals=(),
    ),
    "net_sales": Column(
        "money",
        "sales less the value of what came back in the period (of any purchase).",
        _WHO_BOUGHT,
        reveals=(),
    ),
    "average_order_value": Column("money", "sales / orders.", _WHO_BOUGHT, reveals=()),
    "arpu": Column(
        "money",
        "Average spend per active customer of the period: net_sales / active_users. It describes "
        "the past and is no lifetime value.",
        _OF_ACTIVE,
        _WHO_BOUGHT,
        reveals=("active_users",),
        withheld_first=True,
    ),
    "returning_buyers": Column(
        "customers",
        "Buyers who had bought before the period began. Empty in the burn-in, before which the log "
        "knows too little of them.",
        _WHO_BOUGHT,
        ("returning_buyers",),
        part_of="buyers",
    ),
    "repeat_buyer_share": Column(
        "share",
        "returning_buyers / buyers. Empty in the burn-in.",
        _WHO_BOUGHT,
        ("returning_buyers",),
    ),
}
BEHIND = ("active_days",)  # of all customers: the sum of their active days
ACTIVITY_COLUMNS = ("new_users", "active_users", "mean_daily_active", "activity_day_ratio")
BUYING_COLUMNS = ("buyers", "user_conversion", "returning_buyers", "repeat_buyer_share")
FIGURES_OF_A_PAST = ("new_users", "returning_buyers", "repeat_buyer_share")
SALES_COLUMNS = ("orders", "gmv", "sales", "net_sales", "average_order_value", "arpu")


def growth_by_period(
    log: EventLog,
    period: Period,
    *,
    first_day: datetime,
    as_of: datetime,
    burn_in_end: datetime | None = None,
    active_events: Sequence[str] = ACTIVE_EVENTS,
) -> pd.DataFrame:
    """One row a period from `first_day` to `as_of` with the columns of `GROWTH_COLUMNS` and `BEHIND`.

    Money is NaN without prices, and a share is NaN where nobody could have done it. A period that
    begins before `burn_in_end` has none of the `FIGURES_OF_A_PAST`.
    """
    events_by_period = log.query(_sql(log, period, active_events)).set_index("period")
    step = log.calendar.step(period)
    start = log.calendar.start_of(pd.Series([pd.Timestamp(first_day)]), period).iloc[0]
    periods = pd.date_range(start, as_of, freq=step, inclusive="left", unit="us")
    table = events_by_period.reindex(periods)
    counts = ["new_users", "active_users", "active_days", "buyers", "orders", "returning_buyers"]
    table[counts] = table[counts].fillna(0)
    if "unit_price" in log.columns:
        table[["gmv", "sales", "returned"]] = table[["gmv", "sales", "returned"]].fillna(0.0)
    ends = pd.date_range(start, periods=len(periods) + 1, freq=step, unit="us")[1:]
    days = _days_covered(periods, ends, first_day, as_of)
    table["complete"] = (periods >= pd.Timestamp(first_day)) & (ends <= pd.Timestamp(as_of))
    table["net_sales"] = table["sales"] - table["returned"]
    buyers, active = (table[c].where(table[c] > 0) for c in ("buyers", "active_users"))
    table["mean_daily_active"] = table["active_days"] / days
    table["activity_day_ratio"] = table["active_days"] / days / active
    table["user_conversion"] = table["buyers"] / active
    table["average_order_value"] = table["sales"] / table["orders"].where(table["orders"] > 0)
    table["arpu"] = table["net_sales"] / active
    table["repeat_buyer_share"] = table["returning_buyers"] / buyers
    if burn_in_end is not None:
        for figure in FIGURES_OF_A_PAST:
            table[figure] = table[figure].where(periods >= pd.Timestamp(burn_in_end))
    return table.rename_axis("period").reset_index()[[*GROWTH_COLUMNS, *BEHIND]]


def _days_covered(
    starts: pd.DatetimeIndex, ends: pd.DatetimeIndex, first_day: datetime, as_of: datetime
) -> np.ndarray:
    """The days of each period that the log covers."""
    begin = np.maximum(starts.to_numpy(), np.datetime64(first_day))
    end = np.minimum(ends.to_numpy(), np.datetime64(as_of))
    return (end - begin) / np.timedelta64(1, "D")


def _sql(log: EventLog, period: Period, active_events: Sequence[str]) -> str:
    """One row a period in which anything happened."""
    kinds = ", ".join(f"'{kind}'" for kind in active_events)
    at = log.calendar.period_start(period)
    spend = spend_of(log)
    return f"""
        WITH days AS (
            SELECT DISTINCT user_id, {at} AS period, timestamp::DATE AS day
            FROM events WHERE event_type IN ({kinds})
        ), active AS (
            SELECT period, count(DISTINCT user_id) AS active_users, count(*) AS active_days
            FROM days GROUP BY period
        ), new AS (
            SELECT period, count(*) AS new_users
            FROM (SELECT min(period) AS period FROM days GROUP BY user_id) GROUP BY period
        ), placed AS (
            SELECT user_id, {at} AS period, {ORDER_KEY} AS order_key, {spend} AS spend,
                cancelled_at IS NULL AS kept,
                min(CASE WHEN cancelled_at IS NULL THEN {at} END) OVER (PARTITION BY user_id)
                    AS first_period
            FROM events WHERE event_type = 'purchase'
        ), bought AS (
            SELECT period, sum(spend) AS gmv, sum(spend) FILTER (WHERE kept) AS sales,
                count(DISTINCT user_id) FILTER (WHERE kept) AS buyers,
                count(DISTINCT user_id) FILTER (WHERE kept AND first_period < period)
                    AS returning_buyers,
                count(DISTINCT (user_id, order_key)) FILTER (WHERE kept) AS orders
            FROM placed GROUP BY period
        ), back AS (
            SELECT {at} AS period, sum({spend}) AS returned
            FROM events WHERE event_type = 'return' GROUP BY ALL
        )
        SELECT * FROM active FULL JOIN new USING (period) FULL JOIN bought USING (period)
            FULL JOIN back USING (period)
    """


def growth_in_scope(scope: ReportScope, period: Period, *, burn_in: bool = True) -> pd.DataFrame:
    """`growth_by_period` of a scope; without `burn_in` all customers are new at first."""
    return growth_by_period(
        scope.log,
        period,
        first_day=scope.first_day,
        as_of=scope.as_of,
        burn_in_end=scope.burn_in_end if burn_in else None,
        active_events=scope.active_events,
    )
