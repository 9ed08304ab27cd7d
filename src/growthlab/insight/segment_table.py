"""The table of any kind of segment: how many customers, how active, how much spent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from growthlab.insight.counts import Sum, count_at, count_until
from growthlab.insight.findings import BarPlot, Column, ReportTable
from growthlab.insight.report_scope import ReportScope

SEGMENT_NOTE = "Each customer who has bought is in one segment."
_SIZE = ("customers",)


def segment_table(
    name: str,
    title: str,
    customers: pd.DataFrame,
    by: str,
    scope: ReportScope,
    definition: str = "The name of the segment.",
    more: Mapping[str, tuple[str, Column]] | None = None,
) -> ReportTable:
    """One row a segment of `by`, in the order of its categories, those without customers too.

    `customers` has a row a customer with days_since_last, orders and spend. `more` adds columns:
    name -> the column of `customers` whose mean it is, and what it means. Its `subset_counts` count
    the customers with a 1 there.
    """
    labels = pd.Series(pd.Categorical(customers[by]).rename_categories(str), index=customers.index)
    groups = customers.groupby(labels, observed=False)
    more = {c: m for c, m in (more or {}).items() if m[0] in customers}
    rows = pd.DataFrame(
        {
            "customers": groups.size(),
            "share": groups.size() / max(len(customers), 1),
            "days_since_last": groups["days_since_last"].median(),
            "orders": groups["orders"].mean(),
        }
    )
    columns = dict(COLUMNS)
    if customers["spend"].notna().any():
        rows["spend"] = groups["spend"].mean()
        rows["spend_share"] = groups["spend"].sum() / max(customers["spend"].sum(), 1e-12)
        columns |= SPENT
    behind = pd.DataFrame({"all_buyers": len(customers)}, index=rows.index)
    for column, (source, meaning) in more.items():
        rows[column] = groups[source].mean()
        columns[column] = meaning
        for subset in meaning.subset_counts:
            behind[subset] = groups[source].sum()
    rows = rows.rename_axis(by).reset_index().astype({by: str})
    described = {by: Column("label", definition), **columns}
    bars = BarPlot(by, "customers", f"{title}: customers")
    total = all_buyers(scope)
    names = [segment_count(name, label, scope.as_of) for label in rows[by]]
    return ReportTable(
        name,
        title,
        rows[list(described)],
        described,
        plots=(bars,),
        behind=behind.reset_index(drop=True),
        parts=tuple(
            (whole, f"{name}.{subset} of row {row}")
            for subset in behind.columns.drop("all_buyers")
            for row, whole in enumerate(names)
        ),
        count_names={"customers": names, "all_buyers": [total] * len(rows)},
        sums=(Sum(total, tuple(names)),),
    )


def all_buyers(scope: ReportScope) -> str:
    """The name of the count of customers who had bought by the date of the report."""
    return count_until("buyers", scope.as_of)


def segment_count(table: str, label: str, moment: datetime) -> str:
    """The name of the count of customers in a segment as of a moment."""
    return count_at(f"{table} {label}", moment)


COLUMNS = {
    "customers": Column("customers", "Customers in it who had bought by the date.", _SIZE),
    "share": Column(
        "share",
        "customers / all customers who had bought by the date.",
        _SIZE,
        reveals=("customers", "all_buyers"),
    ),
    "days_since_last": Column("days", "Median of the days since the last order.", _SIZE),
    "orders": Column("number", "Mean number of orders so far.", _SIZE),
}
SPENT = {
    "spend": Column("money", "Mean of what was spent so far, less returns.", _SIZE),
    "spend_share": Column("share", "Their part of what all have spent, less returns.", _SIZE),
}
