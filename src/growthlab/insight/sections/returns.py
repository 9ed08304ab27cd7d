"""Returns and cancellations: how much of what was bought was sent back or cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import pandas as pd

from growthlab.data.calendar import Period
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import spend_of, units_of
from growthlab.insight.findings import Column, Findings, LinePlot, ReportTable, select_columns
from growthlab.insight.items import add_item_names
from growthlab.insight.report_scope import (
    SMALLEST_GROUP,
    ReportScope,
    SectionUnavailable,
    check_period,
)


def return_figures(log: EventLog, by: Period | Literal["item_id"]) -> pd.DataFrame:
    """One row a period or an item with purchases or returns.

    Columns: `by` as ``period`` or ``item_id``, units_bought (cancelled ones too), units_cancelled
    (of those bought in the period, whenever that was), units_returned (in the period, of whatever
    purchase), customers (who returned or cancelled any), cancelled_share and returned_share of the
    units bought, value_lost (of both; NaN without prices).
    """
    key = "item_id" if by == "item_id" else log.calendar.period_start(by)
    name = "item_id" if by == "item_id" else "period"
    bought, returned = "event_type = 'purchase'", "event_type = 'return'"
    cancelled = f"({bought} AND cancelled_at IS NOT NULL)"
    units = f"sum({units_of(log)})"
    return log.query(f"""
        WITH summed AS (
            SELECT {key} AS {name}, coalesce({units} FILTER (WHERE {bought}), 0) AS units_bought,
                coalesce({units} FILTER (WHERE {cancelled}), 0) AS units_cancelled,
                coalesce({units} FILTER (WHERE {returned}), 0) AS units_returned,
                count(DISTINCT user_id) FILTER (WHERE {bought}) AS buyers,
                count(DISTINCT user_id) FILTER (WHERE {cancelled} OR {returned}) AS customers,
                sum({spend_of(log)}) FILTER (WHERE {cancelled} OR {returned}) AS value_lost
            FROM events WHERE {bought} OR {returned} GROUP BY ALL
        )
        SELECT {name}, buyers, units_bought, units_cancelled, units_returned, customers,
            units_cancelled / nullif(units_bought, 0) AS cancelled_share,
            units_returned / nullif(units_bought, 0) AS returned_share, value_lost
        FROM summed WHERE {name} IS NOT NULL ORDER BY {name}
    """)


@dataclass(frozen=True, kw_only=True)
class Returns:
    """What was returned or cancelled, by period and by item."""

    chapter: ClassVar[str] = "Satisfaction"
    title: ClassVar[str] = "Returns and cancellations"
    period: Period = "month"

    def __post_init__(self) -> None:
        check_period(self.period)

    def find(self, scope: ReportScope) -> Findings:
        """By period, and the items that are returned most."""
        log = scope.log
        rows = return_figures(log, self.period)
        if not (rows["units_returned"].sum() or rows["units_cancelled"].sum()):
            raise SectionUnavailable(f"returns: nothing in {log.name} was returned or cancelled")
        plots = (
            LinePlot("period", ("returned_share", "cancelled_share"), "Share of the units bought"),
        )
        tables = [_table("returns", f"By {self.period}", rows, plots, 13)]
        if "item_id" in log.columns:
            items = return_figures(log, "item_id")
            items = items[
                (items["buyers"] >= scope.min_group) & (items["customers"] >= SMALLEST_GROUP)
            ]
            share = items["cancelled_share"].fillna(0) + items["returned_share"].fillna(0)
            items = items.assign(share=share).sort_values(
                ["share", "item_id"], ascending=[False, True]
            )
            items = add_item_names(
                items.drop(columns="share").reset_index(drop=True), log, "item_id"
            )
            note = (
                f"Items that {scope.min_group} customers or more bought, and {SMALLEST_GROUP} or more "
                "sent back or cancelled."
            )
            tables.append(_table("returns_of_items", "Items", items, (), 10, note))
        return Findings(tuple(tables))


def _table(
    name: str,
    title: str,
    rows: pd.DataFrame,
    plots: tuple[LinePlot, ...],
    rows_shown: int,
    note: str = "",
) -> ReportTable:
    columns = select_columns(COLUMNS, rows)
    return ReportTable(name, title, rows, columns, plots, note=note, rows_shown=rows_shown)


_BUYERS, _CUSTOMERS = ("buyers",), ("customers",)
COLUMNS = {
    "period": Column("date", "First day of the period."),
    "item_id": Column("label", "The item."),
    "item_id_name": Column("label", "Its name."),
    "buyers": Column("customers", "Customers with a purchase, cancelled or not.", _BUYERS),
    "units_bought": Column("count", "Units bought, cancelled ones among them.", _BUYERS),
    "units_cancelled": Column(
        "count", "Units of these that were cancelled at any time.", _BUYERS, _CUSTOMERS
    ),
    "units_returned": Column(
        "count",
        "Units that came back in the period, whenever they were bought.",
        _BUYERS,
        _CUSTOMERS,
    ),
    "customers": Column(
        "customers", "Customers who cancelled or returned any of it.", _BUYERS, _CUSTOMERS
    ),
    "cancelled_share": Column("share", "units_cancelled / units_bought.", _BUYERS, _CUSTOMERS),
    "returned_share": Column("share", "units_returned / units_bought.", _BUYERS, _CUSTOMERS),
    "value_lost": Column(
        "money", "Quantity x price of what was cancelled or returned.", _BUYERS, _CUSTOMERS
    ),
}
