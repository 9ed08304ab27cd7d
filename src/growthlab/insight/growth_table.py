"""Growth figures as tables of a report, with the names of their counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from growthlab.data.calendar import Period
from growthlab.insight.counts import Sum, count_until, sums_by
from growthlab.insight.findings import LinePlot, ReportTable
from growthlab.insight.growth_figures import GROWTH_COLUMNS
from growthlab.insight.report_scope import ReportScope

OF_ACTIVE_CUSTOMERS = (
    "active_users",
    "mean_daily_active",
    "activity_day_ratio",
    "user_conversion",
    "arpu",
)
PERIODS_OF_DAYS: tuple[Period, ...] = ("week", "month")
COUNTS = ("new_users", "active_users", "buyers", "returning_buyers", "active_days")


def growth_table(
    scope: ReportScope,
    period: Period,
    rows: pd.DataFrame,
    figures: Sequence[str],
    *,
    name: str,
    title: str = "",
    plots: tuple[LinePlot, ...] = (),
    rows_shown: int | None = None,
    of: str = "",
) -> ReportTable:
    """The `figures` of rows of `growth_by_period`, of all customers or of those `of` a segment."""
    rows = rows.reset_index(drop=True)
    figures = [n for n in figures if n not in left_out_figures(scope)]
    return ReportTable(
        name,
        title,
        rows[["period", "complete", *figures]],
        {n: GROWTH_COLUMNS[n] for n in ("period", "complete", *figures)},
        plots=tuple(
            replace(plot, y=lines)
            for plot in plots
            if (lines := tuple(n for n in plot.y if n in ("period", "complete", *figures)))
        ),
        rows_shown=rows_shown,
        behind=rows[[n for n in COUNTS if n not in figures]],
        count_names={n: _names(scope, n, period, rows["period"], of) for n in COUNTS},
        sums=_day_sums(scope, rows["period"], of) if period == "day" else (),
    )


def left_out_figures(scope: ReportScope) -> tuple[str, ...]:
    """The figures that the log does not have: without browsing there is no conversion.

    The active customers of a log of purchases alone are those who ordered. Where some of them
    cancelled all, these would be revealed by the number of buyers.
    """
    if scope.buys_alone and not scope.buyers_are_active:
        return OF_ACTIVE_CUSTOMERS
    return () if scope.browses else ("user_conversion",)


def customers_behind(table: ReportTable, figure: str) -> str:
    """The column of a growth table with the number of customers behind a figure."""
    return next(name for name in GROWTH_COLUMNS[figure].count_columns if name in table.columns)


def period_count(
    scope: ReportScope, figure: str, period: Period, start: pd.Timestamp, of: str = ""
) -> str:
    """The name of a count of a period that begins at `start`."""
    if figure == "active_days" and period == "day":
        figure = "active_users"
    if figure == "buyers" and scope.buyers_are_active:
        figure = "active_users"
    step = pd.tseries.frequencies.to_offset(scope.calendar.step(period))
    end = min(start + step, pd.Timestamp(scope.as_of))
    return count_until(" ".join(filter(None, (of, figure, period, f"{start:%Y-%m-%d}"))), end)


def _names(
    scope: ReportScope, figure: str, period: Period, starts: pd.Series, of: str
) -> list[str]:
    return [period_count(scope, figure, period, start, of) for start in starts]


def _day_sums(scope: ReportScope, days: pd.Series, of: str) -> tuple[Sum, ...]:
    """The active days of weeks and months are the sums of the active customers of their days."""
    sums: list[Sum] = []
    if "active_users" not in left_out_figures(scope):
        for period in PERIODS_OF_DAYS:
            starts = scope.calendar.start_of(days, period)
            wholes = _names(scope, "active_days", period, starts, of)
            sums += sums_by(wholes, _names(scope, "active_users", "day", days, of))
    return tuple(sums)


def new_customers_of_weeks(scope: ReportScope, days: pd.DataFrame) -> dict[str, Any]:
    """For the table of weeks: how its new customers and those of the months add up.

    `days` are rows of `growth_by_period`. A week that lies in two months has a part in each, whose
    new customers the months less their other weeks would tell.
    """
    starts = {p: scope.calendar.start_of(days["period"], p) for p in PERIODS_OF_DAYS}
    weeks, months = (_names(scope, "new_users", p, starts[p], "") for p in PERIODS_OF_DAYS)
    pairs = pd.DataFrame({"week": weeks, "month": months, "new": days["new_users"]})
    whole = pairs.groupby(["week", "month"])["new"].sum(min_count=1).dropna()
    in_two = pairs.groupby("week")["month"].nunique() > 1
    parts = [f"part in {month} of {week}" if in_two[week] else week for week, month in whole.index]
    counts = dict(zip(parts, whole.astype(int), strict=True))
    return {
        "counts": {name: n for name, n in counts.items() if name.startswith("part in ")},
        "sums": (
            *sums_by(whole.index.get_level_values("week"), parts),
            *sums_by(whole.index.get_level_values("month"), parts),
        ),
    }
