"""The table of any kind of segment: how many customers, how active, how much spent."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from growthlab.insight.findings import BarPlot, Column, ReportTable, one_total
from growthlab.insight.small_groups import merge_small_segments

SEGMENT_NOTE = "Each customer who has bought is in one segment."
_SIZE = ("customers",)


def segment_table(
    name: str,
    title: str,
    customers: pd.DataFrame,
    by: str,
    least: int,
    definition: str = "The name of the segment.",
    more: Mapping[str, tuple[str, Column]] | None = None,
) -> tuple[ReportTable, str]:
    """One row a segment of `by`, in the order of its categories; and a note on merged segments.

    `customers` has a row a customer with days_since_last, orders and spend. `more` adds columns:
    name -> the column of `customers` whose mean it is, and what it means. Segments of fewer than
    `least` customers are merged, see `merge_small_segments`.
    """
    labels, note = merge_small_segments(customers[by], least)
    groups = customers.groupby(labels.astype(str).where(labels.notna()), sort=False)
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
    for column, (source, meaning) in more.items():
        rows[column] = groups[source].mean()
        columns[column] = meaning
    order = [str(c) for c in pd.Categorical(customers[by]).categories if str(c) in rows.index]
    order += [c for c in rows.index if c not in order]
    rows = rows.loc[order].rename_axis(by).reset_index()
    described = {by: Column("label", definition), **columns}
    bars = BarPlot(by, "customers", f"{title}: customers")
    return ReportTable(
        name,
        title,
        rows[list(described)],
        described,
        plots=(bars,),
        known_totals={"customers": one_total(rows)},
    ), note


COLUMNS = {
    "customers": Column("customers", "Customers in it who had bought by the date.", _SIZE),
    "share": Column("share", "customers / all customers who had bought by the date.", _SIZE),
    "days_since_last": Column("days", "Median of the days since the last order.", _SIZE),
    "orders": Column("number", "Mean number of orders so far.", _SIZE),
}
SPENT = {
    "spend": Column("money", "Mean of what was spent so far, less returns.", _SIZE),
    "spend_share": Column("share", "Their part of what all have spent, less returns.", _SIZE),
}
