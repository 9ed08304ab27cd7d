"""Growth: new, active and buying customers by month, week and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from growthlab.insight.findings import Findings, Lines, ReportTable, whole
from growthlab.insight.growth_figures import ACTIVITY, BUYING, COLUMNS, PERIOD_CODES, growth_of
from growthlab.insight.scope import Period, Scope


@dataclass(frozen=True, kw_only=True)
class Growth:
    """New and active customers and the share of them who buy, by month, week and day."""

    chapter: ClassVar[str] = "Growth"
    title: ClassVar[str] = "New, active and buying customers"

    def find(self, scope: Scope) -> Findings:
        """A table a length of the period."""
        names = ["period", "complete", *ACTIVITY, *BUYING]
        tables = [self._table(scope, period, names) for period in ("month", "week", "day")]
        kinds = ", ".join(scope.active_events)
        notes = [
            f"A customer is active with an event of these types: {kinds}.",
            f"The log begins on {scope.first:%Y-%m-%d}: customers first seen before "
            f"{scope.settled:%Y-%m-%d} (the burn-in) may be old ones, and are not called new.",
        ]
        return Findings(tuple(tables), tuple(notes))

    def _table(self, scope: Scope, period: Period, names: Sequence[str]) -> ReportTable:
        rows = growth_of(scope, period)[list(names)]
        drawn: tuple[str, ...] = ("active_users",)
        if period == "month":
            drawn = ("active_users", "new_users", "buyers")
        return ReportTable(
            f"growth_by_{period}",
            f"By {period}",
            rows,
            {name: COLUMNS[name] for name in names},
            plots=(Lines("period", drawn, f"Customers a {period}"),),
            shown=13 if period == "month" else 0,
            sums={"new_users": _longer(rows, period)},
        )


def _longer(rows: pd.DataFrame, period: Period) -> tuple[pd.Series, ...]:
    """The weeks and months whose new customers those of a day add up to; else the whole log."""
    if period != "day":
        return whole(rows)
    return tuple(
        rows["period"].dt.to_period(code) for code in (PERIOD_CODES["week"], PERIOD_CODES["month"])
    )
