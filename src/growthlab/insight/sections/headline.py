"""Headline: the growth figures of the last whole month, as tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from growthlab.insight.findings import Column, Findings, ReportTable, whole
from growthlab.insight.growth_figures import COLUMNS, growth_of
from growthlab.insight.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The last whole month beside the one before it and the same month a year ago."""

    chapter: ClassVar[str] = "At a glance"
    title: ClassVar[str] = "The last whole month"

    def find(self, scope: Scope) -> Findings:
        """A tile a figure."""
        rows = growth_of(scope, "month")
        rows = rows[rows["complete"]].set_index("period", drop=False)
        if rows.empty:
            return Findings((), ("The log covers no whole calendar month.",))
        months = ReportTable("months", "", rows, COLUMNS, sums={"new_users": whole(rows)})
        tiles, hidden, columns = _tiles(months.protected(scope.min_group))
        title = f"{rows.index[-1]:%B %Y}"
        return Findings(
            (ReportTable("headline", title, tiles, columns, tiles=True, hidden=hidden),)
        )


def _tiles(months: ReportTable) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Column]]:
    """A row a figure: its value, those of the month before and of the year before, its customers.

    Then which of these cells are withheld; a figure that the log does not give has no row.
    """
    last, withheld = months.rows.index[-1], months.hidden
    assert withheld is not None
    counted = {n: months.rows[n].astype("Float64") for n, c in COLUMNS.items() if c.behind}
    moments = [last, *(last - pd.DateOffset(months=n) for n in (1, 12))]
    names = ("value", "month_before", "year_before")
    behind = tuple(f"customers_{name}" for name in names)
    rows, few = [], []
    for name, values in counted.items():
        column = COLUMNS[name]
        least = pd.concat([counted[of] for of in column.of], axis=1).min(axis=1)
        found = [series.get(month) for series in (values, least) for month in moments]
        rows.append([name, column.unit, column.definition, *found])
        few.append([bool(withheld[name].get(month, False)) for month in moments])
    table = pd.DataFrame(rows, columns=["figure", "unit", "definition", *names, *behind])
    table = table.astype(dict.fromkeys([*names, *behind], "Float64")).astype(
        dict.fromkeys([*names, *behind], "float64")
    )
    hidden = pd.DataFrame(False, index=table.index, columns=table.columns)
    hidden[list(names)] = few
    known = table["value"].notna() | hidden["value"]
    columns = {
        "figure": Column("label", "The name of the figure."),
        "unit": Column("label", "What it counts."),
        "definition": Column("label", "How it is worked out."),
        "value": Column("number", "In the last whole month.", (behind[0],)),
        "month_before": Column("number", "In the month before it.", (behind[1],)),
        "year_before": Column("number", "In the same month a year before.", (behind[2],)),
        **{
            name: Column("customers", f"Customers behind the column {of}.", (name,))
            for name, of in zip(behind, names, strict=True)
        },
    }
    return table[known].reset_index(drop=True), hidden[known].reset_index(drop=True), columns
