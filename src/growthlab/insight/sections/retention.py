"""Cohort retention: of the customers first seen in a period, the share who come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.insight.cohorts import (
    ACTIVE_AGAIN,
    BURN_IN_NOTE,
    CUSTOMERS,
    FEWER_COHORTS_NOTE,
    RETENTION,
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
class Retention:
    """Cohort retention: each cohort, and the curve of all whose members are surely new."""

    chapter: ClassVar[str] = "Retention"
    title: ClassVar[str] = "Who comes back"
    period: Period = "month"

    def __post_init__(self) -> None:
        check_period(self.period)

    def find(self, scope: Scope) -> Findings:
        """The curve, then the cohorts."""
        rows = add_shares(cohorts_in_scope(scope, self.period))
        new = rows[rows["cohort"] >= scope.burn_in_end]
        since, cohort = since_column(self.period), cohort_column(self.period)
        shares = {"customers": CUSTOMERS, "active": ACTIVE_AGAIN, "cohort_retention": RETENTION}
        curve = {"since": since, **shares}
        each = {"cohort": cohort, "since": since, **shares}
        return Findings(
            (
                ReportTable(
                    "cohort_retention_curve",
                    "All cohorts together",
                    pool_cohorts(new)[list(curve)],
                    curve,
                    plots=(LinePlot("since", ("cohort_retention",), "Share who are active again"),),
                    rows_shown=13,
                    note=f"Cohorts from {scope.burn_in_end:%Y-%m-%d} on. " + FEWER_COHORTS_NOTE,
                ),
                ReportTable(
                    "cohort_retention",
                    "Cohort by cohort",
                    rows[list(each)].reset_index(drop=True),
                    each,
                    plots=(HeatMap("cohort", "since", "cohort_retention", "Share active"),),
                    rows_shown=0,
                    note=BURN_IN_NOTE.format(burn_in_end=scope.burn_in_end),
                    known_totals=pooled_totals(rows, scope),
                ),
            )
        )
