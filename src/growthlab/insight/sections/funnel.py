"""The funnel from looking to buying, by customer and by visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import ClassVar, Literal

import pandas as pd

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import sql_time
from growthlab.insight.findings import BarPlot, Column, Findings, ReportTable
from growthlab.insight.report_scope import ReportScope, SectionUnavailable

STEPS = ("view", "cart", "purchase")


def funnel_steps(
    log: EventLog,
    *,
    start: datetime,
    by: Literal["user_id", "session_id"] = "user_id",
    steps: Sequence[str] = STEPS,
) -> pd.DataFrame:
    """One row a step: who reached it after all steps before it, in this order, from `start` on.

    Columns step, reached (customers or visits), customers, of_first, of_previous (NaN at the first
    step, or where nobody reached the one before), at_all (with such an event, whatever came before). A
    step may happen at the same moment as the one before it. Cancelled purchases count.
    """
    kinds = ", ".join(f"'{step}'" for step in steps)
    parts = [
        f"e AS (SELECT {by} AS who, user_id, event_type AS step, timestamp AS seen FROM events "
        f"WHERE event_type IN ({kinds}) AND {by} IS NOT NULL AND timestamp >= {sql_time(start)})",
        f"s0 AS (SELECT who, min(seen) AS seen FROM e WHERE step = '{steps[0]}' GROUP BY who)",
    ]
    parts += [
        f"s{n} AS (SELECT who, min(e.seen) AS seen FROM e JOIN s{n - 1} AS b USING (who) "
        f"WHERE step = '{step}' AND e.seen >= b.seen GROUP BY who)"
        for n, step in enumerate(steps[1:], start=1)
    ]
    counted = [
        f"SELECT {n} AS n, '{step}' AS step, (SELECT count(*) FROM s{n}) AS reached, "
        f"(SELECT count(DISTINCT user_id) FROM e JOIN s{n} USING (who)) AS customers, "
        f"(SELECT count(DISTINCT who) FROM e WHERE step = '{step}') AS at_all"
        for n, step in enumerate(steps)
    ]
    sql = f"WITH {', '.join(parts)} {' UNION ALL '.join(counted)} ORDER BY n"
    table = log.query(sql).drop(columns="n")
    before = table["reached"].shift()
    table.insert(3, "of_first", table["reached"] / (table["reached"].iloc[0] or float("nan")))
    table.insert(4, "of_previous", table["reached"] / before.where(before > 0))
    return table


@dataclass(frozen=True, kw_only=True)
class Funnel:
    """View, cart, purchase over the last days of the log."""

    chapter: ClassVar[str] = "Conversion"
    title: ClassVar[str] = "From looking to buying"
    days: int = 90
    steps: tuple[str, ...] = STEPS

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ConfigError(f"days must be 1 or more, got {self.days}")
        for step in self.steps:
            if step not in EVENT_TYPES:
                raise ConfigError(f"steps: {step}: {near_matches(step, EVENT_TYPES)}")
        if len(self.steps) < 2 or len(set(self.steps)) < len(self.steps):
            raise ConfigError(f"steps={list(self.steps)}: give two or more different event types")

    def find(self, scope: ReportScope) -> Findings:
        """By customer, and by visit where the log has visits."""
        log = scope.log
        start = max(scope.first_day, scope.as_of - timedelta(days=self.days))
        event_types = set(log.query("SELECT DISTINCT event_type FROM events")["event_type"])
        missing = [step for step in self.steps if step not in event_types]
        if missing:
            raise SectionUnavailable(
                f"the funnel needs {' and '.join(missing)} events: {log.name} has "
                f"{', '.join(sorted(event_types))}"
            )
        rows = funnel_steps(log, start=start, steps=self.steps)
        tables = [_table("funnel_by_customer", "By customer", rows, "customers")]
        if "session_id" in log.columns:
            rows = funnel_steps(log, start=start, by="session_id", steps=self.steps)
            tables.append(_table("funnel_by_visit", "By visit (session_id)", rows, "visits"))
        note = f"Events from {start:%Y-%m-%d} to {scope.as_of:%Y-%m-%d}."
        return Findings(tuple(tables), (note,))


def _table(name: str, title: str, rows: pd.DataFrame, who: str) -> ReportTable:
    counts = ("customers",)
    by_customer = who == "customers"
    columns = {
        "step": Column("label", "The step, after all steps above it in this order."),
        "reached": Column(
            "count",
            f"How many {who} got there.",
            subset_counts=counts,
            reveals=counts if by_customer else (),
        ),
        "customers": Column("customers", "How many customers that are.", subset_counts=counts),
        "of_first": Column(
            "share",
            f"Share of the {who} with the first step"
            + ("; at the last step this is session_conversion." if who == "visits" else "."),
            subset_counts=counts,
            reveals=("customers", "first"),
        ),
        "of_previous": Column(
            "share",
            f"Share of the {who} at the step before.",
            subset_counts=counts,
            reveals=("customers", "before"),
        ),
        "at_all": Column(
            "customers" if by_customer else "count",
            f"How many {who} have such an event, whatever came before it.",
            subset_counts=counts,
        ),
    }
    names = [f"{name}.customers of row {row}" for row in range(len(rows))]
    at_all = [f"{name}.at_all of row {row}" for row in range(len(rows))]
    return ReportTable(
        name,
        title,
        rows,
        columns,
        plots=(BarPlot("step", "of_first", f"Share of {who}"),),
        behind=pd.DataFrame(
            {"first": rows["customers"].iloc[0], "before": rows["customers"].shift()},
            index=rows.index,
        ),
        count_names={
            "customers": names,
            "first": names[:1] * len(names),
            "before": ["", *names[:-1]],
            **({"at_all": [*names[:1], *at_all[1:]]} if by_customer else {}),
        },
        parts=(*pairwise(names), *(zip(at_all[1:], names[1:], strict=True) if by_customer else ())),
    )
