"""Value curves: what a customer of a cohort has spent by some time after the first visit, on average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.insight.cohorts import (
    BURN_IN_NOTE,
    BUYERS,
    CUSTOMERS,
    FEWER_COHORTS_NOTE,
    VALUE,
    add_shares,
    cohort_column,
    cohorts_in_scope,
    pool_cohorts,
    pooled_totals,
    since_column,
)
from growthlab.insight.findings import Findings, HeatMap, LinePlot, ReportTable
from growthlab.insight.scope import Period, Scope, check_period


@dataclass(frozen=True, kw_only=True)
class ValueCurves:
    """What a customer of a cohort has spent in the mean, by time since."""

    chapter: ClassVar[str] = "Spending"
    title: ClassVar[str] = "What a cohort becomes worth"
    period: Period = "month"

    def __post_init__(self) -> None:
        check_period(self.period)

    def find(self, scope: Scope) -> Findings:
        """The curve, then the cohorts."""
        scope.require("unit_price", needed_by="the value of cohorts")
        rows = add_shares(cohorts_in_scope(scope, self.period))
        new = rows[rows["cohort"] >= scope.burn_in_end]
        since, cohort = since_column(self.period), cohort_column(self.period)
        money = {"customers": CUSTOMERS, "buyers": BUYERS, "value": VALUE}
        curve = {"since": since, **money}
        each = {"cohort": cohort, "since": since, **money}
        return Findings(
            (
                ReportTable(
                    "cohort_value_curve",
                    "All cohorts together",
                    pool_cohorts(new)[list(curve)],
                    curve,
                    plots=(LinePlot("since", ("value",), "Spent by a customer so far"),),
                    rows_shown=13,
                    note=f"Cohorts from {scope.burn_in_end:%Y-%m-%d} on. " + FEWER_COHORTS_NOTE,
                ),
                ReportTable(
                    "cohort_value",
                    "Cohort by cohort",
                    rows[list(each)].reset_index(drop=True),
                    each,
                    plots=(HeatMap("cohort", "since", "value", "Spent by a customer so far"),),
                    rows_shown=0,
                    note=BURN_IN_NOTE.format(burn_in_end=scope.burn_in_end),
                    known_totals=pooled_totals(rows, scope),
                ),
            )
        )
