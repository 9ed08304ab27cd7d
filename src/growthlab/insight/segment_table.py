"""The table that every kind of segment is reported with: how many, how active, how much."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from growthlab.insight.findings import Bars, Column, ReportTable, whole
from growthlab.insight.small_groups import grouped

SEGMENT_NOTE = "Each customer who has bought is in one segment."
_OF = ("customers",)


def segment_table(
    name: str,
    title: str,
    found: pd.DataFrame,
    by: str,
    least: int,
    definition: str = "The name of the segment.",
    more: Mapping[str, tuple[str, Column]] | None = None,
) -> tuple[ReportTable, str]:
    """One row a segment of `by`, in the order of its categories, and what was put together and why.

    `found` has a row a customer with days_since_last, orders and spend; `more` adds columns: a
    mean of a column of `found`, and what it means. A segment of fewer than `least` customers has no
    row of its own, see `grouped`.
    """
    labels, note = grouped(found[by], least)
    groups = found.groupby(labels.astype(str).where(labels.notna()), sort=False)
    more = {c: m for c, m in (more or {}).items() if m[0] in found}
    rows = pd.DataFrame(
        {
            "customers": groups.size(),
            "share": groups.size() / max(len(found), 1),
            "days_since_last": groups["days_since_last"].median(),
            "orders": groups["orders"].mean(),
        }
    )
    columns = dict(COLUMNS)
    if found["spend"].notna().any():
        rows["spend"] = groups["spend"].mean()
        rows["spend_share"] = groups["spend"].sum() / max(found["spend"].sum(), 1e-12)
        columns |= SPENT
    for column, (source, meaning) in more.items():
        rows[column] = groups[source].mean()
        columns[column] = meaning
    order = [str(c) for c in pd.Categorical(found[by]).categories if str(c) in rows.index]
    order += [c for c in rows.index if c not in order]
    rows = rows.loc[order].rename_axis(by).reset_index()
    described = {by: Column("label", definition), **columns}
    bars = Bars(by, "customers", f"{title}: customers")
    return ReportTable(
        name,
        title,
        rows[list(described)],
        described,
        plots=(bars,),
        sums={"customers": whole(rows)},
    ), note


COLUMNS = {
    "customers": Column("customers", "Customers in it who had bought by the date.", _OF),
    "share": Column("share", "customers / all customers who had bought by the date.", _OF),
    "days_since_last": Column("days", "Median of the days since the last order.", _OF),
    "orders": Column("number", "Mean number of orders so far.", _OF),
}
SPENT = {
    "spend": Column("money", "Mean of what was spent so far, less returns.", _OF),
    "spend_share": Column("share", "Their part of what all have spent, less returns.", _OF),
}
