"""The cleaning report: what each rule of reading and cleaning dropped or changed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd


def report_of_counts(
    rule: str, why: str, before: tuple[int, ...], after: tuple[int, ...], n_changed: int
) -> dict[str, Any]:
    """One row of a cleaning report, from the numbers of events, users and items before and after."""
    row: dict[str, Any] = {"rule": rule, "why": why}
    row["dropped_events"] = max(before[0] - after[0], 0)
    row["added_events"] = max(after[0] - before[0], 0)  # by splitting a purchase
    row["changed_events"] = n_changed
    for name, n_before, n_after in zip(("events", "users", "items"), before, after, strict=True):
        row |= {f"{name}_before": n_before, f"{name}_after": n_after}
    return row


def frame_report_row(
    rule: str, why: str, before: pd.DataFrame, after: pd.DataFrame, n_changed: int = 0
) -> dict[str, Any]:
    """One row of a cleaning report, from the frame of raw events before and after a step of reading."""
    counts = [
        (len(frame), *(frame[c].nunique() if c in frame else 0 for c in ("user_id", "item_id")))
        for frame in (before, after)
    ]
    return report_of_counts(rule, why, counts[0], counts[1], n_changed)


def cleaning_report_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """A cleaning report as a plain-text table: what each rule dropped, and what was left."""
    header = ("rule", "dropped", "changed", "events left", "users left", "items left", "why")
    counts = ("dropped_events", "changed_events", "events_after", "users_after", "items_after")
    table = [header] + [
        (row["rule"], *(f"{row.get(c, 0):,}" for c in counts), row["why"]) for row in rows
    ]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 0 < i <= len(counts) else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )
