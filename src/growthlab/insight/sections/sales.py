"""Sales: orders, gross merchandise value, average order value and spend per active customer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.data.calendar import Period
from growthlab.insight.findings import Findings, LinePlot
from growthlab.insight.growth_figures import SALES_COLUMNS, growth_in_scope
from growthlab.insight.growth_table import growth_table
from growthlab.insight.report_scope import ReportScope, check_period


@dataclass(frozen=True, kw_only=True)
class Sales:
    """Money by period."""

    chapter: ClassVar[str] = "Spending"
    title: ClassVar[str] = "Orders and sales"
    period: Period = "month"

    def __post_init__(self) -> None:
        check_period(self.period)

    def find(self, scope: ReportScope) -> Findings:
        """One table."""
        scope.require("unit_price", needed_by="sales")
        plots = (
            LinePlot("period", ("gmv", "net_sales"), f"Sales a {self.period}"),
            LinePlot("period", ("average_order_value",), "Average order value"),
            LinePlot("period", ("arpu",), "Spend per active customer (arpu)"),
        )
        table = growth_table(
            scope,
            self.period,
            growth_in_scope(scope, self.period),
            ("active_users", "buyers", *SALES_COLUMNS),
            name="sales",
            title=f"By {self.period}",
            plots=plots,
            rows_shown=13,
        )
        return Findings((table,))
