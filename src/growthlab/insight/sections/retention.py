"""Cohort retention: of the customers first seen in a period, the share who come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.data.calendar import Period
from growthlab.insight.cohorts import ACTIVE_AGAIN, CUSTOMERS, RETENTION, cohort_findings
from growthlab.insight.findings import Findings
from growthlab.insight.report_scope import ReportScope, check_period


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Cohort retention: each cohort, and the curve of all whose members are surely new."""

    chapter: ClassVar[str] = "Retention"
    title: ClassVar[str] = "Who comes back"
    period: Period = "month"

    def __post_init__(self) -> None:
        check_period(self.period)

    def find(self, scope: ReportScope) -> Findings:
        """The curve, then the cohorts."""
        return cohort_findings(
            scope,
            self.period,
            {"customers": CUSTOMERS, "active": ACTIVE_AGAIN, "cohort_retention": RETENTION},
            name="cohort_retention",
            figure="cohort_retention",
            curve_title="Share who are active again",
            map_title="Share active",
        )
