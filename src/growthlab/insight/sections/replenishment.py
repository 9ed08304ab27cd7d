"""Replenishment: after how many days customers buy an item again, for reminders in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import pandas as pd

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import Column, Findings, ReportTable, select_columns
from growthlab.insight.items import add_item_names
from growthlab.insight.purchase_sql import KEPT_PURCHASE
from growthlab.insight.report_scope import SMALLEST_GROUP, ReportScope


def replenishment_figures(log: EventLog, *, min_customers: int = 1) -> pd.DataFrame:
    """One row an item that `min_customers` or more bought again on a later day, most of them first.

    Columns item_id, buyers, customers (who bought it again), again_share, intervals (from one
    purchase day of the item to the customer's next), p25, median, p75 in days, and spread: (p75 -
    p25) / median, small where a reminder can be timed.
    """
    return log.query(f"""
        WITH days AS (
            SELECT DISTINCT user_id, item_id, timestamp::DATE AS day
            FROM events WHERE {KEPT_PURCHASE} AND item_id IS NOT NULL
        ), gaps AS (
            SELECT user_id, item_id, date_diff('day', lag(day) OVER one, day)::DOUBLE AS gap
            FROM days WINDOW one AS (PARTITION BY user_id, item_id ORDER BY day)
        ), summed AS (
            SELECT item_id, count(DISTINCT user_id) AS buyers,
                count(DISTINCT user_id) FILTER (WHERE gap IS NOT NULL) AS customers,
                count(gap) AS intervals, quantile_cont(gap, 0.25) AS p25, median(gap) AS median,
                quantile_cont(gap, 0.75) AS p75
            FROM gaps GROUP BY item_id
        )
        SELECT item_id, buyers, customers, customers / buyers AS again_share, intervals,
            p25, median, p75, (p75 - p25) / median AS spread
        FROM summed WHERE customers >= greatest(1, {min_customers})
        ORDER BY customers DESC, item_id
    """)


@dataclass(frozen=True, kw_only=True)
class Replenishment:
    """Items that are bought again, and when."""

    chapter: ClassVar[str] = "Baskets and items"
    title: ClassVar[str] = "What is bought again, and when"
    min_customers: int = 20
    days: int = 14
    widest: float = 1.0

    def __post_init__(self) -> None:
        if self.min_customers < 1:
            raise ConfigError(f"min_customers must be 1 or more, got {self.min_customers}")
        if not 1 <= self.days <= 366:
            raise ConfigError(f"days must be 1 to 366, got {self.days}")
        if not self.widest > 0:
            raise ConfigError(f"widest must be above 0, got {self.widest:g}")

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row a customer and item that will be due in the next `days`: user_id, item_id, date, detail.

        The date is p25 of the item's intervals after the customer's last purchase of it, as a reminder
        belongs before most repeats. Items whose spread is above `widest` cannot be timed.
        """
        log.require("item_id", "timestamp", needed_by="replenishment")
        items = replenishment_figures(log, min_customers=self.min_customers)
        items = items[items["spread"] <= self.widest].set_index("item_id")
        last = log.query(f"""
            SELECT user_id, item_id, max(timestamp::DATE)::TIMESTAMP AS day
            FROM events WHERE {KEPT_PURCHASE} AND item_id IS NOT NULL
            GROUP BY ALL ORDER BY user_id, item_id
        """)
        last = last[last["item_id"].isin(items.index)].reset_index(drop=True)
        usual = items.loc[last["item_id"], ["p25", "median"]].reset_index(drop=True)
        date = last["day"] + pd.to_timedelta(usual["p25"].round(), unit="D")
        start = pd.Timestamp(as_of).normalize()
        due = ((date >= start) & (date < start + timedelta(days=self.days))).to_numpy()
        rows = last.loc[due, ["user_id", "item_id"]].assign(
            date=date[due].astype("datetime64[us]"),
            detail=usual.loc[due, "median"].map("every {:g} days".format).astype(str),
        )
        return rows.sort_values(["date", "user_id", "item_id"], ignore_index=True)

    def find(self, scope: ReportScope) -> Findings:
        """One table of items."""
        scope.require("item_id", needed_by="replenishment")
        least = max(self.min_customers, SMALLEST_GROUP)
        items = replenishment_figures(scope.log, min_customers=least)
        items = items[items["buyers"] >= scope.min_group].reset_index(drop=True)
        rows = add_item_names(items, scope.log, "item_id")
        columns = select_columns(COLUMNS, rows)
        note = (
            f"Items that {scope.min_group} customers or more bought, and {least} or more bought "
            "again. Half of the repeats come between p25 and p75 days after the last purchase of the "
            "item: a reminder belongs before p25."
        )
        table = ReportTable("replenishment", "Items", rows, columns, rows_shown=15, note=note)
        return Findings((table,))


_BUYERS, _REPEAT_BUYERS = ("buyers",), ("customers",)
_INTERVAL = "of the days from one purchase day of the item to the same customer's next"
COLUMNS = {
    "item_id": Column("label", "The item."),
    "item_id_name": Column("label", "Its name."),
    "buyers": Column("customers", "Customers who bought it.", _BUYERS),
    "customers": Column(
        "customers",
        "Those who bought it again on a later day.",
        _BUYERS,
        _REPEAT_BUYERS,
        part_of="buyers",
    ),
    "again_share": Column("share", "customers / buyers.", _BUYERS, _REPEAT_BUYERS),
    "intervals": Column("count", "Intervals that are counted.", _BUYERS, _REPEAT_BUYERS),
    "p25": Column("days", f"A quarter {_INTERVAL} is shorter or equal.", _BUYERS, _REPEAT_BUYERS),
    "median": Column("days", f"Half {_INTERVAL} is shorter or equal.", _BUYERS, _REPEAT_BUYERS),
    "p75": Column(
        "days", f"Three quarters {_INTERVAL} are shorter or equal.", _BUYERS, _REPEAT_BUYERS
    ),
    "spread": Column(
        "ratio",
        "(p75 - p25) / median: the smaller, the better a reminder can be timed.",
        _BUYERS,
        _REPEAT_BUYERS,
    ),
}
