"""Cohort retention: of the customers first seen in a period, the share who come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.insight.cohorts import (
    ACTIVE_AGAIN,
    CUSTOMERS,
    FEWER,
    OLD,
    RETENTION,
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
class Retention:
    """Cohort retention: each cohort, and the curve of all whose members are surely new."""

    chapter: ClassVar[str] = "Retention"
    title: ClassVar[str] = "Who comes back"
    period: Period = "month"

    def __post_init__(self) -> None:
        check_period(self.period)

    def find(self, scope: Scope) -> Findings:
        """The curve, then the cohorts."""
        rows = with_shares(cohorts_of(scope, self.period))
        new = rows[rows["cohort"] >= scope.settled]
        since, cohort = since_column(self.period), cohort_column(self.period)
        shares = {"customers": CUSTOMERS, "active": ACTIVE_AGAIN, "cohort_retention": RETENTION}
        curve = {"since": since, **shares}
        each = {"cohort": cohort, "since": since, **shares}
        return Findings(
            (
                ReportTable(
                    "cohort_retention_curve",
                    "All cohorts together",
                    pooled(new)[list(curve)],
                    curve,
                    plots=(Lines("since", ("cohort_retention",), "Share who are active again"),),
                    shown=13,
                    note=f"Cohorts from {scope.settled:%Y-%m-%d} on. " + FEWER,
                ),
                ReportTable(
                    "cohort_retention",
                    "Cohort by cohort",
                    rows[list(each)].reset_index(drop=True),
                    each,
                    plots=(Heat("cohort", "since", "cohort_retention", "Share active"),),
                    shown=0,
                    note=OLD.format(settled=scope.settled),
                    sums=pooled_sums(rows, scope),
                ),
            )
        )
