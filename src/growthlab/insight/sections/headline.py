"""Headline: the growth figures of the last whole month, as tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from growthlab.insight.findings import Column, Findings, ReportTable, one_total
from growthlab.insight.growth_figures import GROWTH_COLUMNS, growth_in_scope
from growthlab.insight.report_scope import ReportScope


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The last whole month, compared with the month before it and the same month a year ago."""

    chapter: ClassVar[str] = "At a glance"
    title: ClassVar[str] = "The last whole month"

    def find(self, scope: ReportScope) -> Findings:
        """A tile a figure."""
        months = growth_in_scope(scope, "month")
        months = months[months["complete"]].set_index("period", drop=False)
        if months.empty:
            return Findings((), ("The log covers no whole calendar month.",))
        totals = {"new_users": one_total(months)}
        table = ReportTable("months", "", months, GROWTH_COLUMNS, known_totals=totals)
        rows, hidden = _headline_rows(table.withhold_small_groups(scope.min_group))
        title = f"{months.index[-1]:%B %Y}"
        return Findings((ReportTable("headline", title, rows, COLUMNS, tiles=True, hidden=hidden),))


def _headline_rows(months: ReportTable) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the table with `COLUMNS`, and which of their cells are withheld.

    A figure that the log does not have has no row.
    """
    last, withheld = months.rows.index[-1], months.hidden
    assert withheld is not None
    compared = [last, *(last - pd.DateOffset(months=n) for n in (1, 12))]
    figures = {
        name: months.rows[name].astype("Float64")
        for name, column in GROWTH_COLUMNS.items()
        if column.count_columns
    }
    rows, hidden_values = [], []
    for name, values in figures.items():
        column = GROWTH_COLUMNS[name]
        customers = pd.concat([figures[c] for c in column.group_counts], axis=1).min(axis=1)
        numbers = [series.get(month) for series in (values, customers) for month in compared]
        rows.append([name, column.unit, column.definition, *numbers])
        hidden_values.append([bool(withheld[name].get(month, False)) for month in compared])
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    names = [*VALUES, *CUSTOMERS]
    table = table.astype(dict.fromkeys(names, "Float64")).astype(dict.fromkeys(names, "float64"))
    hidden = pd.DataFrame(False, index=table.index, columns=table.columns)
    hidden[list(VALUES)] = hidden_values
    known = table["value"].notna() | hidden["value"]
    return table[known].reset_index(drop=True), hidden[known].reset_index(drop=True)


VALUES = ("value", "month_before", "year_before")
CUSTOMERS = tuple(f"customers_{name}" for name in VALUES)
COLUMNS = {
    "figure": Column("label", "The name of the figure."),
    "unit": Column("label", "What it counts."),
    "definition": Column("label", "How it is worked out."),
    "value": Column("number", "In the last whole month.", (CUSTOMERS[0],)),
    "month_before": Column("number", "In the month before it.", (CUSTOMERS[1],)),
    "year_before": Column("number", "In the same month a year before.", (CUSTOMERS[2],)),
    **{
        customers: Column("customers", f"Customers behind the column {value}.", (customers,))
        for customers, value in zip(CUSTOMERS, VALUES, strict=True)
    },
}
