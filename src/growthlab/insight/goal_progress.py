"""Progress towards goals: where each figure is, how far the target is, and what history makes plausible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import Column, ReportTable, Section, SegmentSection
from growthlab.insight.goals import ALL_CUSTOMERS, Goal
from growthlab.insight.growth_figures import GROWTH_COLUMNS, growth_by_period
from growthlab.insight.report_scope import ReportScope, SectionUnavailable

METRICS_OF_NEW_CUSTOMERS = ("new_users", "repeat_buyer_share")  # rest on what came before the month
DEVIATIONS = 3.0  # standard deviations of the monthly change that still count as plausible
MIN_MONTHS = 4  # of history, to know how much a figure moves
DAYS_PER_MONTH = 365.25 / 12


def measure_goals(
    goals: Sequence[Goal], scope: ReportScope, sections: Mapping[str, Section] | None = None
) -> ReportTable:
    """One row a goal: the current figure, its distance from the target, and the plausible range.

    Goals may be set for the segments of `sections`.

    Raises
    ------
    ConfigError
        An unknown segment, or one smaller than a group that may be reported; a metric that a
        segment cannot have; a target outside the plausible range.
    """
    segment_sections = {n: s for n, s in (sections or {}).items() if isinstance(s, SegmentSection)}
    for goal in goals:
        if (
            goal.metric in METRICS_OF_NEW_CUSTOMERS
            and goal.segment.partition("=")[0] in segment_sections
        ):
            raise ConfigError(
                f"goals: {goal.metric} of {goal.segment}: all its customers have bought before: "
                "choose another metric"
            )
    histories = {
        segment: monthly_history(scope, segment, segment_sections)
        for segment in {goal.segment for goal in goals}
    }
    rows = [_goal_row(goal, histories[goal.segment], scope) for goal in goals]
    return ReportTable("goals", "Goals", pd.DataFrame(rows, columns=list(GOALS)), GOALS)


def monthly_history(
    scope: ReportScope, segment: str, sections: Mapping[str, SegmentSection] | None = None
) -> pd.DataFrame:
    """The whole months of a segment by period, with the columns of `GROWTH_COLUMNS`.

    A figure of too few customers is null. A segment of one of the `sections` is formed anew as of the
    beginning of each month, so that its members are not selected by what they did in that month; its
    history begins after the burn-in.
    """
    months = growth_by_period(
        _segment_log(scope, segment, sections or {}),
        "month",
        first_day=scope.first_day,
        as_of=scope.as_of,
        burn_in_end=scope.burn_in_end,
        active_events=scope.active_events,
    )
    months = months[months["complete"]].reset_index(drop=True)
    return (
        ReportTable("months", "", months, GROWTH_COLUMNS)
        .withhold_small_groups(scope.min_group)
        .rows.set_index("period")
    )


def plausible_range(
    values: Sequence[float], months: float, *, share: bool = False
) -> tuple[float, float]:
    """The lowest and the highest value that a figure can plausibly have in so many months.

    The logarithm of the figure is taken as a random walk: in `months` it moves by at most
    `DEVIATIONS` standard deviations of its monthly change, times the square root of the months. Past
    values are always plausible, and a share stays within 0 and 1.
    """
    past = np.asarray(values, dtype=float)
    steps = np.diff(np.log(np.maximum(past, 1e-9)))
    reach = DEVIATIONS * float(np.sqrt(np.mean(steps**2) * max(months, 1.0)))
    low, high = past[-1] * np.exp([-reach, reach])
    low, high = min(low, past.min()), max(high, past.max())
    return float(max(low, 0.0)), float(min(high, 1.0) if share else high)


def _segment_log(
    scope: ReportScope, segment: str, sections: Mapping[str, SegmentSection]
) -> EventLog:
    """The events of a segment's customers."""
    if segment == ALL_CUSTOMERS:
        return scope.log
    name, equals, value = (part.strip() for part in segment.partition("="))
    columns = [] if scope.log.users is None else [str(c) for c in scope.log.users if c != "user_id"]
    if equals and name in columns:
        return _log_of_attribute(scope, name, value)
    if equals and name in sections:
        return _log_of_section(scope, segment, sections[name], value)
    known = [ALL_CUSTOMERS, *(f"{c}=..." for c in (*columns, *sections))]
    raise ConfigError(f"goals: segment {segment} is not known: {near_matches(name, known)}")


def _log_of_attribute(scope: ReportScope, column: str, value: str) -> EventLog:
    """The events of the customers with this value in a column of the table of users."""
    users = scope.log.users
    assert users is not None
    texts = users[column].astype("str")
    ids = users.loc[texts == value, "user_id"]
    if ids.empty:
        raise ConfigError(
            f"goals: nobody has {column}={value}: {near_matches(value, texts.dropna())}"
        )
    if len(ids) < scope.min_group:
        raise ConfigError(
            f"goals: {column}={value} has fewer than {scope.min_group} customers "
            "(privacy.min_group): choose a larger segment"
        )
    condition = "SELECT * FROM events WHERE user_id IN (SELECT user_id FROM members)"
    return scope.log.derive(condition, {"members": pd.DataFrame({"user_id": ids})})


def _log_of_section(
    scope: ReportScope, segment: str, section: SegmentSection, value: str
) -> EventLog:
    """The events of each month of the customers who were in the segment when the month began."""
    starts = pd.date_range(scope.burn_in_end, scope.as_of, freq="MS", normalize=True, unit="us")
    parts = []
    for start in starts:
        try:
            labels = section.customers(scope.log, start.to_pydatetime())[section.label]
        except SectionUnavailable:
            continue  # nobody had bought by then
        names = [str(name) for name in labels.cat.categories]
        if value not in names:
            raise ConfigError(
                f"goals: segment {segment} is not known: {near_matches(value, names)}"
            )
        ids = labels.index[(labels.astype(str) == value).to_numpy()]
        parts.append(pd.DataFrame({"user_id": ids, "month": start}))
    if not parts:
        raise DataError(f"goals: {segment}: the log has no month after its burn-in")
    members = pd.concat(parts, ignore_index=True)
    month = "date_trunc('month', timestamp)::TIMESTAMP"
    return scope.log.derive(
        f"SELECT events.* FROM events JOIN members ON events.user_id = members.user_id "
        f"AND {month} = members.month",
        {"members": members},
    )


def _goal_row(goal: Goal, months: pd.DataFrame, scope: ReportScope) -> list[Any]:
    """The row of a goal; ConfigError for a target outside the plausible range."""
    column, name = GROWTH_COLUMNS[goal.metric], f"{goal.metric} of {goal.segment}"
    known = months[goal.metric].dropna().astype("float64") / goal.scale
    if len(known) < MIN_MONTHS:
        raise DataError(
            f"goals: {name}: history has {len(known)} whole months of at least {scope.min_group} "
            f"customers (privacy.min_group), and it takes {MIN_MONTHS} to say what is possible"
        )
    days_left = (pd.Timestamp(goal.deadline) - pd.Timestamp(scope.as_of)) / pd.Timedelta(days=1)
    months_left = days_left / DAYS_PER_MONTH
    share = column.unit == "share"
    low, high = (
        v / goal.scale
        for v in plausible_range((known * goal.scale).tolist(), months_left, share=share)
    )
    if not low <= goal.target <= high:
        raise ConfigError(
            f"goals: {name}: a target of {goal.target:g} {goal.unit} by {goal.deadline} is outside "
            f"what history allows, {low:.4g} to {high:.4g}: it was {known.iloc[-1]:.4g} in "
            f"{known.index[-1]:%Y-%m}, and between {known.min():.4g} and {known.max():.4g} before"
        )
    current = float(known.iloc[-1])
    baseline = current if goal.baseline is None else goal.baseline
    if baseline == goal.target:
        raise ConfigError(
            f"goals: {name}: the target is the baseline, {goal.target:g}: nothing to do"
        )
    progress = (current - baseline) / (goal.target - baseline)
    customers = int(months.loc[known.index[-1], list(column.group_counts)].min())
    distance = goal.target - current
    state = "reached" if progress >= 1 else "missed" if months_left < 0 else "open"
    return [
        goal.metric,
        goal.segment,
        goal.unit,
        baseline,
        current,
        goal.target,
        distance,
        progress,
        low,
        high,
        pd.Timestamp(goal.deadline),
        max(0, round(days_left)),
        state,
        customers,
    ]


_CUSTOMERS = ("customers",)
GOALS = {
    "metric": Column("label", "The monthly figure; it is defined with the growth figures."),
    "segment": Column("label", "The customers whose figure it is."),
    "unit": Column("label", "What the numbers of the row count."),
    "baseline": Column("number", "Where it began: as set, or the current value.", _CUSTOMERS),
    "current": Column("number", "The figure of the last whole month.", _CUSTOMERS),
    "target": Column("number", "Where it should be.", _CUSTOMERS),
    "distance": Column("number", "target - current.", _CUSTOMERS),
    "progress": Column("share", "(current - baseline) / (target - baseline).", _CUSTOMERS),
    "low": Column(
        "number", "The lowest value by the deadline that history makes plausible.", _CUSTOMERS
    ),
    "high": Column(
        "number",
        "The highest value by the deadline that history makes plausible: 3 standard deviations of the "
        "monthly change, times the square root of the months left, or what it has been before.",
        _CUSTOMERS,
    ),
    "deadline": Column("date", "The day by which."),
    "days_left": Column("number", "Days from the end of the log to the deadline.", _CUSTOMERS),
    "state": Column("label", "reached, open, or missed where the deadline has passed."),
    "customers": Column("customers", "Customers behind the current value.", _CUSTOMERS),
}
