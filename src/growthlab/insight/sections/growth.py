"""Growth: new, active and buying customers by month, week and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from growthlab.insight.findings import Findings, LinePlot, ReportTable, one_total
from growthlab.insight.growth_figures import (
    ACTIVITY_COLUMNS,
    BUYING_COLUMNS,
    GROWTH_COLUMNS,
    PERIOD_CODES,
    growth_in_scope,
)
from growthlab.insight.report_scope import Period, ReportScope


@dataclass(frozen=True, kw_only=True)
class Growth:
    """New and active customers and the share of them who buy, by month, week and day."""

    chapter: ClassVar[str] = "Growth"
    title: ClassVar[str] = "New, active and buying customers"

    def find(self, scope: ReportScope) -> Findings:
        """A table by month, one by week, one by day."""
        names = ["period", "complete", *ACTIVITY_COLUMNS, *BUYING_COLUMNS]
        tables = [self._table(scope, period, names) for period in ("month", "week", "day")]
        kinds = ", ".join(scope.active_events)
        notes = [
            f"A customer is active with an event of these types: {kinds}.",
            f"The log begins on {scope.first_day:%Y-%m-%d}: customers first seen before "
            f"{scope.burn_in_end:%Y-%m-%d} (the burn-in) may be old ones and are not counted as new.",
        ]
        return Findings(tuple(tables), tuple(notes))

    def _table(self, scope: ReportScope, period: Period, names: Sequence[str]) -> ReportTable:
        rows = growth_in_scope(scope, period)[list(names)]
        lines: tuple[str, ...] = ("active_users",)
        if period == "month":
            lines = ("active_users", "new_users", "buyers")
        return ReportTable(
            f"growth_by_{period}",
            f"By {period}",
            rows,
            {name: GROWTH_COLUMNS[name] for name in names},
            plots=(LinePlot("period", lines, f"Customers a {period}"),),
            rows_shown=13 if period == "month" else 0,
            known_totals={"new_users": _totals_of_new_users(rows, period)},
        )


def _totals_of_new_users(rows: pd.DataFrame, period: Period) -> tuple[pd.Series, ...]:
    """New users of days add up to those of weeks and months, these to those of the log."""
    if period != "day":
        return one_total(rows)
    return tuple(
        rows["period"].dt.to_period(code) for code in (PERIOD_CODES["week"], PERIOD_CODES["month"])
    )
