"""Reviews: how customers rate what they bought, and how often they complain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import pandas as pd

from growthlab.data.calendar import Period
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import Column, Findings, LinePlot, ReportTable, select_columns
from growthlab.insight.items import add_item_names
from growthlab.insight.purchase_sql import KEPT_PURCHASE
from growthlab.insight.report_scope import (
    SMALLEST_GROUP,
    ReportScope,
    SectionUnavailable,
    check_period,
)

RATED = "rating IS NOT NULL AND event_type = 'review'"


def review_figures(
    log: EventLog, by: Period | Literal["item_id"], *, complaint_at: float = 2
) -> pd.DataFrame:
    """One row a period or an item with ratings.

    Columns: `by` as ``period`` or ``item_id``, reviews, reviewers, mean_rating, complaints (rated
    `complaint_at` or lower), complainers, complaint_rate (of the reviews), purchases (lines that were not
    cancelled) and review_rate (reviews / purchases; NaN without any).
    """
    key = "item_id" if by == "item_id" else log.calendar.period_start(by)
    name, low = "item_id" if by == "item_id" else "period", f"rating <= {complaint_at}"
    return log.query(f"""
        WITH rated AS (
            SELECT {key} AS {name}, count(*) AS reviews, count(DISTINCT user_id) AS reviewers,
                avg(rating) AS mean_rating, count(*) FILTER (WHERE {low}) AS complaints,
                count(DISTINCT user_id) FILTER (WHERE {low}) AS complainers
            FROM events WHERE {RATED} GROUP BY ALL
        ), bought AS (
            SELECT {key} AS {name}, count(*) AS purchases FROM events WHERE {KEPT_PURCHASE} GROUP BY ALL
        )
        SELECT {name}, reviews, reviewers, mean_rating, complaints, complainers,
            complaints / reviews AS complaint_rate, coalesce(purchases, 0) AS purchases,
            reviews / nullif(purchases, 0) AS review_rate
        FROM rated LEFT JOIN bought USING ({name}) WHERE {name} IS NOT NULL ORDER BY {name}
    """)


@dataclass(frozen=True, kw_only=True)
class Reviews:
    """Ratings and complaints by period and by item.

    A complaint is a review of `complaint_at` or lower: the log has no other sign of one.
    """

    chapter: ClassVar[str] = "Satisfaction"
    title: ClassVar[str] = "Reviews and complaints"
    period: Period = "month"
    complaint_at: float = 2

    def __post_init__(self) -> None:
        check_period(self.period)

    def find(self, scope: ReportScope) -> Findings:
        """By period, and the items with the lowest ratings."""
        log = scope.log
        scope.require("rating", needed_by="reviews")
        rows = review_figures(log, self.period, complaint_at=self.complaint_at)
        if rows.empty:
            raise SectionUnavailable(
                f"reviews needs review events with a rating, and {log.name} has none"
            )
        plots = (LinePlot("period", ("mean_rating",), "Mean rating"),)
        tables = [
            ReportTable(
                "reviews", f"By {self.period}", rows, self._columns(rows), plots, rows_shown=13
            )
        ]
        if "item_id" in log.columns:
            items = review_figures(log, "item_id", complaint_at=self.complaint_at)
            items = items[items["reviewers"] >= SMALLEST_GROUP]
            items = items.sort_values(["mean_rating", "item_id"], ignore_index=True)
            items = add_item_names(items, log, "item_id")
            note = f"Items with {SMALLEST_GROUP} reviewers or more, the worst rated first."
            columns = self._columns(items)
            tables.append(
                ReportTable("reviews_of_items", "Items", items, columns, rows_shown=10, note=note)
            )
        return Findings(tuple(tables), ("Few customers write reviews: they do not speak for all.",))

    def _columns(self, rows: pd.DataFrame) -> dict[str, Column]:
        reviewers, complainers = ("reviewers",), ("complainers",)
        low = f"{self.complaint_at:g}"
        columns = {
            "period": Column("date", "First day of the period in which the review was written."),
            "item_id": Column("label", "The item."),
            "item_id_name": Column("label", "Its name."),
            "reviews": Column("count", "Reviews with a rating.", subset_counts=reviewers),
            "reviewers": Column("customers", "Customers who wrote them.", subset_counts=reviewers),
            "mean_rating": Column("number", "Mean rating.", subset_counts=reviewers),
            "complaints": Column(
                "count", f"Reviews rated {low} or lower.", subset_counts=complainers
            ),
            "complainers": Column(
                "customers",
                "Customers who wrote these.",
                subset_counts=complainers,
                part_of="reviewers",
            ),
            "complaint_rate": Column(
                "share", "complaints / reviews.", subset_counts=(*reviewers, *complainers)
            ),
            "purchases": Column(
                "count", "Purchase lines that were not cancelled.", subset_counts=reviewers
            ),
            "review_rate": Column("share", "reviews / purchases.", subset_counts=reviewers),
        }
        return select_columns(columns, rows)
