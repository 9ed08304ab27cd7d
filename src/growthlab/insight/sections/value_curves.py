"""Value curves: what a customer of a cohort has spent by some time after the first visit, on average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.insight.cohorts import (
    BUYERS,
    CUSTOMERS,
    FEWER,
    OLD,
    VALUE,
    cohort_column,
    cohorts_of,
    pooled,
    pooled_sums,
    since_column,
    with_shares,
)
from growthlab.insight.findings import Findings, Heat, Lines, ReportTable
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
        rows = with_shares(cohorts_of(scope, self.period))
        new = rows[rows["cohort"] >= scope.settled]
        since, cohort = since_column(self.period), cohort_column(self.period)
        money = {"customers": CUSTOMERS, "buyers": BUYERS, "value": VALUE}
        curve = {"since": since, **money}
        each = {"cohort": cohort, "since": since, **money}
        return Findings(
            (
                ReportTable(
                    "cohort_value_curve",
                    "All cohorts together",
                    pooled(new)[list(curve)],
                    curve,
                    plots=(Lines("since", ("value",), "Spent by a customer so far"),),
                    shown=13,
                    note=f"Cohorts from {scope.settled:%Y-%m-%d} on. " + FEWER,
                ),
                ReportTable(
                    "cohort_value",
                    "Cohort by cohort",
                    rows[list(each)].reset_index(drop=True),
                    each,
                    plots=(Heat("cohort", "since", "value", "Spent by a customer so far"),),
                    shown=0,
                    note=OLD.format(settled=scope.settled),
                    sums=pooled_sums(rows, scope),
                ),
            )
        )
