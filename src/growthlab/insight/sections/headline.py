"""Headline: the growth figures of the last whole month, as tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from growthlab.insight.counts import CellCounts
from growthlab.insight.disclosure import cell_counts
from growthlab.insight.findings import Column, Findings, ReportTable
from growthlab.insight.growth_figures import GROWTH_COLUMNS, growth_in_scope
from growthlab.insight.growth_table import customers_behind, growth_table
from growthlab.insight.report_scope import ReportScope


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The last whole month, compared with the month before it and the same month a year ago."""

    chapter: ClassVar[str] = "At a glance"
    title: ClassVar[str] = "The last whole month"

    def find(self, scope: ReportScope) -> Findings:
        """A tile a figure."""
        months = growth_in_scope(scope, "month")
        months = months[months["complete"]]
        if months.empty:
            return Findings((), ("The log covers no whole calendar month.",))
        figures = [name for name, column in GROWTH_COLUMNS.items() if column.count_columns]
        return Findings((_headline(growth_table(scope, "month", months, figures, name="months")),))


def _headline(months: ReportTable) -> ReportTable:
    """The last row of the table of months beside two others; no row for a figure that it does not have."""
    place = {month: row for row, month in enumerate(months.rows["period"])}
    last = months.rows["period"].iloc[-1]
    compared = [place.get(last - pd.DateOffset(months=n)) for n in (0, 1, 12)]
    rows = []
    cells: dict[str, list[CellCounts]] = {name: [] for name in (*VALUES, *CUSTOMERS)}
    for name, column in months.columns.items():
        if not column.count_columns or months.rows[name].isna().iloc[-1]:
            continue
        customers = customers_behind(months, name)
        behind = [cell_counts(months, name), cell_counts(months, customers)]
        numbers = [
            math.nan if row is None else float(months.rows[figure].iloc[row])
            for figure in (name, customers)
            for row in compared
        ]
        rows.append([name, column.unit, column.definition, *numbers])
        places = [(figure, row) for figure in behind for row in compared]
        for cell, (figure, row) in zip(cells, places, strict=True):
            cells[cell].append(CellCounts() if row is None else figure[row])
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return ReportTable(
        "headline",
        f"{last:%B %Y}",
        table,
        COLUMNS,
        tiles=True,
        cells=cells,
        counts=months.named_counts(),
        parts=months.named_parts(),
    )


VALUES = ("value", "month_before", "year_before")
CUSTOMERS = tuple(f"customers_{name}" for name in VALUES)
COLUMNS = {
    "figure": Column("label", "The name of the figure."),
    "unit": Column("label", "What it counts."),
    "definition": Column("label", "How it is worked out."),
    "value": Column("number", "In the last whole month."),
    "month_before": Column("number", "In the month before it."),
    "year_before": Column("number", "In the same month a year before."),
    **{
        customers: Column("customers", f"Customers behind the column {value}.")
        for customers, value in zip(CUSTOMERS, VALUES, strict=True)
    },
}
