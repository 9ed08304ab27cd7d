"""The cleaning report: what each rule of reading and cleaning dropped or changed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd


class Dropped(NamedTuple):
    """What a rule dropped, besides the numbers of events, users and items.

    `users` lost events, `values` are the money of lines before and after; None where it is not known.
    What was `wanted` is no reason to warn.
    """

    users: int | None = None
    values: tuple[float | None, float | None] = (None, None)
    wanted: bool = False


NOT_KNOWN = Dropped()


REPORT_COLUMNS = {  # of a row -> what a reader sees, in this order
    "rule": "rule",
    "dropped_events": "dropped",
    "dropped_value": "in money",
    "changed_events": "changed",
    "events_after": "events left",
    "users_after": "users left",
    "items_after": "items left",
    "why": "why",
}


def report_of_counts(
    rule: str,
    why: str,
    before: tuple[int, ...],
    after: tuple[int, ...],
    n_changed: int,
    dropped: Dropped = NOT_KNOWN,
) -> dict[str, Any]:
    """One row of a cleaning report, from the numbers of events, users and items before and after."""
    row: dict[str, Any] = {"rule": rule, "why": why}
    row["dropped_events"] = max(before[0] - after[0], 0)
    row["added_events"] = max(after[0] - before[0], 0)  # by splitting a purchase
    row["changed_events"] = n_changed
    for name, n_before, n_after in zip(("events", "users", "items"), before, after, strict=True):
        row |= {f"{name}_before": n_before, f"{name}_after": n_after}
    value_before, value_after = dropped.values
    row["dropped_value"] = None
    if value_before is not None and value_after is not None:
        row["dropped_value"] = round(max(value_before - value_after, 0.0), 2)
    row |= {
        "value_before": value_before,
        "users_with_less": dropped.users,
        "wanted": dropped.wanted,
    }
    return row


def frame_report_row(
    rule: str, why: str, before: pd.DataFrame, after: pd.DataFrame, n_changed: int = 0
) -> dict[str, Any]:
    """One row of a cleaning report, from the frame of raw events before and after a step of reading."""
    counts = [
        (len(frame), *(frame[c].nunique() if c in frame else 0 for c in ("user_id", "item_id")))
        for frame in (before, after)
    ]
    rows = [
        frame.groupby("user_id").size() if "user_id" in frame else None for frame in (before, after)
    ]
    users = None
    if rows[0] is not None and rows[1] is not None:
        users = int((rows[1].reindex(rows[0].index, fill_value=0) < rows[0]).sum())
    dropped = Dropped(users, (_value_of_frame(before), _value_of_frame(after)))
    return report_of_counts(rule, why, counts[0], counts[1], n_changed, dropped)


def _value_of_frame(lines: pd.DataFrame) -> float | None:
    """The money of all lines, whatever their sign; None without prices."""
    if not {"quantity", "unit_price"} <= {*lines}:
        return None
    return round(float((lines["quantity"] * lines["unit_price"]).abs().sum()), 2)


def cleaning_report_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """A cleaning report as a plain-text table: what each rule dropped, and what was left."""
    names = [name for name in REPORT_COLUMNS if name not in ("rule", "why")]
    table = [tuple(REPORT_COLUMNS.values())] + [
        (row["rule"], *(_number(row.get(name)) for name in names), row["why"]) for row in rows
    ]
    widths = [max(len(line[i]) for line in table) for i in range(len(REPORT_COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 0 < i <= len(names) else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )


def _number(value: float | None) -> str:
    """A number of a report; a dash where it is not known."""
    return "-" if value is None else f"{value:,.0f}"
