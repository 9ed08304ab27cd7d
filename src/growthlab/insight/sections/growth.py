"""Growth: new, active and buying customers by month, week and day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from growthlab.data.calendar import Period
from growthlab.insight.findings import Findings, LinePlot, ReportTable
from growthlab.insight.growth_figures import ACTIVITY_COLUMNS, BUYING_COLUMNS, growth_in_scope
from growthlab.insight.growth_table import growth_table, new_customers_of_weeks
from growthlab.insight.report_scope import NO_CONVERSION, ReportScope


@dataclass(frozen=True, kw_only=True)
class Growth:
    """New and active customers and the share of them who buy, by month, week and day."""

    chapter: ClassVar[str] = "Growth"
    title: ClassVar[str] = "New, active and buying customers"

    def find(self, scope: ReportScope) -> Findings:
        """A table by month, one by week, one by day."""
        month, week, day = (self._table(scope, period) for period in ("month", "week", "day"))
        parts = new_customers_of_weeks(scope, growth_in_scope(scope, "day", burn_in=False))
        tables = (month, replace(week, **parts), day)
        kinds = ", ".join(scope.active_events)
        notes = [
            f"A customer is active with an event of these types: {kinds}.",
            f"The log begins on {scope.first_day:%Y-%m-%d}: customers first seen before "
            f"{scope.burn_in_end:%Y-%m-%d} (the burn-in) may be old ones and are not counted as new.",
        ]
        if not scope.browses:
            notes.append(NO_CONVERSION)
        return Findings(tables, tuple(notes))

    def _table(self, scope: ReportScope, period: Period) -> ReportTable:
        lines: tuple[str, ...] = ("buyers",) if scope.buys_alone else ("active_users",)
        if period == "month":
            lines = ("active_users", "new_users", "buyers")
        return growth_table(
            scope,
            period,
            growth_in_scope(scope, period),
            # of a day the new ones are a few people
            (
                *(n for n in ACTIVITY_COLUMNS if (n, period) != ("new_users", "day")),
                *BUYING_COLUMNS,
            ),
            name=f"growth_by_{period}",
            title=f"By {period}",
            plots=(LinePlot("period", lines, f"Customers a {period}"),),
            rows_shown=13 if period == "month" else 0,
        )
