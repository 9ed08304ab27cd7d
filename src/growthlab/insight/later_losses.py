"""What recent periods will still lose to cancellations and returns, by the lag of earlier ones."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from growthlab.data.calendar import Period
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import spend_of
from growthlab.insight.findings import Column, ReportTable
from growthlab.insight.growth_table import period_count
from growthlab.insight.report_scope import ReportScope


def losses_by_purchase(log: EventLog, period: Period) -> pd.DataFrame:
    """One row a cancelled line or a return: period of the purchase, known_at, value and user_id.

    A return is of the customer's newest earlier purchase of the item; one without any, as of before
    the log, is left out. `known_at` is when it was recorded.
    """
    at, spend = log.calendar.period_start(period), spend_of(log)
    return log.query(f"""
        WITH bought AS (
            SELECT user_id, coalesce(item_id, '') AS item, timestamp, {at} AS period FROM events
            WHERE event_type = 'purchase' AND cancelled_at IS NULL
        ), returned AS (
            SELECT user_id, coalesce(item_id, '') AS item, timestamp, {spend} AS value,
                coalesce(ingested_at, timestamp) AS known_at
            FROM events WHERE event_type = 'return'
        )
        SELECT period, known_at, value, user_id FROM returned ASOF JOIN bought
            USING (user_id, item, timestamp)
        UNION ALL
        SELECT {at} AS period, cancelled_at AS known_at, {spend} AS value, user_id FROM events
            WHERE event_type = 'purchase' AND cancelled_at IS NOT NULL
    """)


def later_losses(
    periods: pd.DataFrame,
    losses: pd.DataFrame,
    as_of: datetime,
    *,
    settled_days: float,
    min_settled: int,
) -> pd.DataFrame:
    """One row a whole period that ended less than `settled_days` before `as_of`, the oldest first.

    `periods` has period, end, gmv and buyers of the whole periods, `losses` is of
    `losses_by_purchase`. Of the settled periods, which ended `settled_days` or more before, it is known
    how much each lost later than the same number of days after its end. Their mean, by gmv, is what is
    `to_come`; `least` and `most` are the smallest and the largest of them. There are no rows where
    fewer than `min_settled` are settled, or where nothing was lost.
    """
    settled_for = pd.Timedelta(days=settled_days)
    is_settled = periods["end"] + settled_for <= pd.Timestamp(as_of)
    settled = periods[is_settled & (periods["gmv"] > 0)]
    if len(settled) < min_settled or losses.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    known = losses.merge(settled[["period", "end"]], on="period")
    known["age"] = known["known_at"] - known["end"]
    known = known[known["age"] < settled_for]
    rows = []
    for recent in periods[~is_settled].to_dict("records"):
        late = known[known["age"] >= pd.Timestamp(as_of) - recent["end"]]
        lost_later = (
            late.groupby("period")["value"].sum().reindex(settled["period"], fill_value=0.0)
        )
        shares = lost_later.to_numpy() / settled["gmv"].to_numpy()
        own, gmv = losses[losses["period"] == recent["period"]], recent["gmv"]
        lost, to_come = own["value"].sum(), gmv * lost_later.sum() / settled["gmv"].sum()
        rows.append(
            {
                **recent,
                "lost": lost,
                "to_come": to_come,
                "least": gmv * shares.min(),
                "most": gmv * shares.max(),
                "lost_share": (lost + to_come) / gmv if gmv > 0 else np.nan,
                "first_period": settled["period"].iloc[0],
                "last_period": settled["period"].iloc[-1],
                "periods": len(settled),
                "customers": own["user_id"].nunique(),
                "customers_later": late["user_id"].nunique(),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def later_losses_table(
    scope: ReportScope, period: Period, growth: pd.DataFrame, settled_days: float, min_settled: int
) -> tuple[ReportTable | None, str]:
    """The table of `later_losses`, None where there is none, and a sentence on it.

    `growth` are rows of `growth_by_period`. The sentence is empty where nothing is ever lost.
    """
    losses = losses_by_purchase(scope.log, period)
    if losses.empty:
        return None, ""
    whole = growth[growth["complete"]]
    step = pd.tseries.frequencies.to_offset(scope.calendar.step(period))
    periods = whole[["period", "gmv"]].assign(end=whole["period"] + step, buyers=whole["buyers"])
    rows = later_losses(
        periods, losses, scope.as_of, settled_days=settled_days, min_settled=min_settled
    )
    if rows.empty:
        border = scope.as_of - timedelta(days=settled_days)
        why = (
            f"What the last {period}s will still lose to cancellations and returns is not said: it takes "
            f"{min_settled} whole {period}s with sales that were over by {border:%Y-%m-%d}."
        )
        return None, why
    note = (
        f"A {period} goes on losing sales to cancellations and returns after its end. What is to come is "
        f"what the {period}s from first_{period} to last_{period} lost later than the same number of days "
        f"after their end, up to {settled_days:g} days."
    )
    names = {"first_period": f"first_{period}", "last_period": f"last_{period}"}
    columns = {names.get(n, n): column for n, column in COLUMNS.items()}
    table = ReportTable(
        "later_losses",
        "What is still to come",
        rows.rename(columns=names),
        columns,
        note=note,
        count_names={
            "buyers": [period_count(scope, "buyers", period, start) for start in rows["period"]]
        },
    )
    return table, ""


_LOST, _LATE = ("customers",), ("customers_later",)
COLUMNS = {
    "period": Column("date", "First day of the period of the purchases."),
    "buyers": Column("customers", "Customers with a purchase that was not cancelled.", ("buyers",)),
    "gmv": Column("money", "What was bought, cancelled purchases too.", ("buyers",), reveals=()),
    "lost": Column("money", "Of it cancelled or returned so far.", ("buyers",), _LOST, reveals=()),
    "to_come": Column(
        "money",
        "What is likely to be cancelled or returned of it later.",
        ("buyers",),
        _LATE,
        reveals=(),
    ),
    "least": Column(
        "money",
        "If it went as in the period that lost least later.",
        ("buyers",),
        _LATE,
        reveals=(),
    ),
    "most": Column(
        "money", "If it went as in the period that lost most later.", ("buyers",), _LATE, reveals=()
    ),
    "lost_share": Column(
        "share", "(lost + to_come) / gmv.", ("buyers",), (*_LOST, *_LATE), reveals=()
    ),
    "first_period": Column("date", "The first of the periods from which the estimate comes."),
    "last_period": Column("date", "The last of them."),
    "periods": Column("periods", "How many they are.", ("buyers",), reveals=()),
    "customers": Column(
        "customers", "Customers who cancelled or returned so far.", ("buyers",), _LOST
    ),
    "customers_later": Column(
        "customers",
        "Customers of the earlier periods who did so later.",
        subset_counts=_LATE,
    ),
}
