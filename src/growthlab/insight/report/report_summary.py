"""A growth report in a few lines for the console."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from growthlab.core.visible_text import visible_text
from growthlab.insight.findings import ReportTable
from growthlab.insight.report.report_contents import ReportContents
from growthlab.insight.report.value_format import WITHHELD, format_amount, format_value


def report_summary(report: ReportContents) -> str:
    """The last whole month, the goals, the sections left out, and how much was withheld."""
    tables = {table.name: table for table in report.report_tables}
    lines = []
    if "headline" in tables:
        lines.append(f"{report.title}, {tables['headline'].title}")
        lines += _headline_lines(tables["headline"], report.scope.currency)
    if "goals" in tables:
        lines += ["goals", *_goal_lines(tables["goals"])]
    lines += [f"warning: {line}" for part in report.parts for line in part.findings.warnings]
    lines += [f"not in the report: {name}: {why}" for name, why in report.left_out.items()]
    if report.n_hidden:
        lines.append(
            f"withheld: {report.n_hidden:,} cells that would reveal figures of fewer than "
            f"{report.scope.min_group} customers"
        )
    return "\n".join(map(visible_text, lines))


def _headline_lines(table: ReportTable, currency: str | None) -> Iterator[str]:
    for place, row in table.rows.to_dict("index").items():
        shown = table.withheld_text(place, "value") or WITHHELD
        value = (
            shown if pd.isna(row["value"]) else format_amount(row["value"], row["unit"], currency)
        )
        yield f"  {row['figure']:<20} {value:>12}"


def _goal_lines(table: ReportTable) -> Iterator[str]:
    for row in table.rows.to_dict("records"):
        current, target, distance = (
            format_value(row[c], "number") for c in ("current", "target", "distance")
        )
        yield (
            f"  {row['metric']} of {row['segment']}: {current} of {target} {row['unit']} "
            f"by {row['deadline']:%Y-%m-%d}, {distance} to go, {row['state']}"
        )
