"""Value curves: what a customer of a cohort has spent by some time after the first visit, on average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.data.calendar import Period
from growthlab.insight.cohorts import BUYERS, CUSTOMERS, VALUE, cohort_findings
from growthlab.insight.findings import Findings
from growthlab.insight.report_scope import ReportScope, check_period


@dataclass(frozen=True, kw_only=True)
class ValueCurves:
    """What a customer of a cohort has spent in the mean, by time since."""

    chapter: ClassVar[str] = "Spending"
    title: ClassVar[str] = "What a cohort becomes worth"
    period: Period = "month"

    def __post_init__(self) -> None:
        check_period(self.period)

    def find(self, scope: ReportScope) -> Findings:
        """The curve, then the cohorts."""
        scope.require("unit_price", needed_by="the value of cohorts")
        return cohort_findings(
            scope,
            self.period,
            {"customers": CUSTOMERS, "buyers": BUYERS, "value": VALUE},
            name="cohort_value",
            figure="value",
            curve_title="Spent by a customer so far",
            map_title="Spent by a customer so far",
        )
