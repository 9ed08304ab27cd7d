"""Data quality: what reading and cleaning dropped before anything was counted, in events and in money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from growthlab.core.errors import ConfigError
from growthlab.insight.counts import CellCounts
from growthlab.insight.findings import Column, Findings, ReportTable
from growthlab.insight.report_scope import SMALLEST_GROUP, ReportScope


@dataclass(frozen=True, kw_only=True)
class DataQuality:
    """What each rule of reading and cleaning dropped.

    `warn_above` is the share of the events, or of their money, above which a rule that nobody asked
    for is a warning.
    """

    chapter: ClassVar[str] = "Data"
    title: ClassVar[str] = "What is not in the figures"
    warn_above: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.warn_above <= 1:
            raise ConfigError(f"warn_above must be above 0 and at most 1, got {self.warn_above:g}")

    def find(self, scope: ReportScope) -> Findings:
        """A row a rule that dropped anything."""
        rows = dropped_by_rule(scope.log.cleaning)
        if "unit_price" not in scope.log.columns:
            rows = rows.drop(columns=["dropped_value", "share_of_value"])
        columns = {name: column for name, column in COLUMNS.items() if name in rows}
        note = "Of the whole data, also where a report ends earlier."
        if rows.empty:
            note = "Reading and cleaning dropped nothing."
        table = ReportTable(
            "dropped_events",
            "Dropped by rule",
            rows[list(columns)],
            columns,
            cells={n: _counts_behind(rows, n) for n, c in columns.items() if c.unit != "label"},
            counts={
                _customers_of(r): int(n)
                for r, n in zip(rows["rule"], rows["customers"], strict=True)
            },
        )
        return Findings((table,), (note,), tuple(self._warnings(rows)))

    def _warnings(self, rows: pd.DataFrame) -> Iterable[str]:
        """A sentence for each rule that dropped much, without figures of few customers."""
        for row in rows[~rows["wanted"]].to_dict("records"):
            shares = {
                "the events": row["share_of_events"],
                "their money": row.get("share_of_value", float("nan")),
            }
            if not any(share > self.warn_above for share in shares.values()):
                continue
            if 0 < row["customers"] < SMALLEST_GROUP:
                much = f"more than {self.warn_above:.0%} of the events or of their money"
            else:
                much = " and ".join(
                    f"{s:.1%} of {of}" for of, s in shares.items() if not pd.isna(s)
                )
            yield f"The rule {row['rule']!r} dropped {much}: {row['why']}."


def dropped_by_rule(cleaning: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a rule of a cleaning report that dropped events, in the order of the rules.

    Columns rule, why, dropped_events, share_of_events, dropped_value, share_of_value (NaN where the
    money is not known), customers (who lost events; 0 where none are known) and wanted. Files that
    were read one by one are added up.
    """
    report = pd.DataFrame([row for row in cleaning if row["dropped_events"]], columns=list(READ))
    report = report.astype({"dropped_value": float, "value_before": float})
    report["wanted"] = report["wanted"].eq(True)
    report["users_with_less"] = report["users_with_less"].astype(float).fillna(0)
    sums = report.groupby(["rule", "why", "wanted"], sort=False, as_index=False).sum(min_count=1)
    value = sums["value_before"].where(sums["value_before"] > 0)
    rows = sums.assign(
        share_of_events=sums["dropped_events"] / sums["events_before"],
        share_of_value=sums["dropped_value"] / value,
        customers=sums["users_with_less"].astype(int),
    )
    return rows[[*COLUMNS, "wanted"]]


def _customers_of(rule: str) -> str:
    """The name of the count of customers who lost events by a rule."""
    return f"customers of the rule {rule}"


def _counts_behind(rows: pd.DataFrame, column: str) -> list[CellCounts]:
    """The counts behind each cell of a column: none where the dropped rows are of no customer."""
    names = [_customers_of(rule) for rule in rows["rule"]]
    is_count = column == "customers"
    return [
        CellCounts(
            subsets=(name,), reveals=(name,) if is_count else (), shows=name if is_count else ""
        )
        if n
        else CellCounts()
        for name, n in zip(names, rows["customers"], strict=True)
    ]


READ = (
    "rule",
    "why",
    "wanted",
    "dropped_events",
    "events_before",
    "dropped_value",
    "value_before",
    "users_with_less",
)
COLUMNS = {
    "rule": Column("label", "The rule of reading or cleaning."),
    "why": Column("label", "Why it drops what it drops."),
    "dropped_events": Column("count", "Events that it dropped."),
    "share_of_events": Column("share", "Of the events before the rule."),
    "dropped_value": Column(
        "money",
        "Quantity x price of the purchase and return lines that it dropped, whatever their sign.",
    ),
    "share_of_value": Column("share", "Of the same money before the rule."),
    "customers": Column("customers", "Customers who lost events by it; 0 where none are known."),
}
