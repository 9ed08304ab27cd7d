"""Sales: orders, gross merchandise value, average order value and spend per active customer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.core.errors import ConfigError
from growthlab.data.calendar import Period
from growthlab.insight.findings import Findings, LinePlot
from growthlab.insight.growth_figures import SALES_COLUMNS, growth_in_scope
from growthlab.insight.growth_table import growth_table
from growthlab.insight.later_losses import later_losses_table
from growthlab.insight.report_scope import ReportScope, check_period


@dataclass(frozen=True, kw_only=True)
class Sales:
    """Money by period, and what the last periods will still lose.

    A period is settled `settled_days` after its end; `min_settled` settled ones are needed to say
    what is to come.
    """

    chapter: ClassVar[str] = "Spending"
    title: ClassVar[str] = "Orders and sales"
    period: Period = "month"
    settled_days: float = 60
    min_settled: int = 3

    def __post_init__(self) -> None:
        check_period(self.period)
        if not self.settled_days > 0:
            raise ConfigError(f"settled_days must be positive, got {self.settled_days:g}")
        if self.min_settled < 1:
            raise ConfigError(f"min_settled must be 1 or more, got {self.min_settled}")

    def find(self, scope: ReportScope) -> Findings:
        """The sales, then what is still to come."""
        scope.require("unit_price", needed_by="sales")
        rows = growth_in_scope(scope, self.period)
        plots = (
            LinePlot("period", ("gmv", "net_sales"), f"Sales a {self.period}"),
            LinePlot("period", ("average_order_value",), "Average order value"),
            LinePlot("period", ("arpu",), "Spend per active customer (arpu)"),
        )
        table = growth_table(
            scope,
            self.period,
            rows,
            ("active_users", "buyers", *SALES_COLUMNS),
            name="sales",
            title=f"By {self.period}",
            plots=plots,
            rows_shown=13,
        )
        later, why = later_losses_table(
            scope, self.period, rows, self.settled_days, self.min_settled
        )
        tables = (table,) if later is None else (table, later)
        return Findings(tables, (why,) if why else ())
