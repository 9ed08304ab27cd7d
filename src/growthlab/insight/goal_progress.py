"""Progress towards goals: where each figure is, how far the target is, and what history makes plausible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError, near_matches
from growthlab.data.event_log import EventLog
from growthlab.insight.counts import CellCounts
from growthlab.insight.disclosure import cell_counts
from growthlab.insight.findings import Column, ReportTable, Section, SegmentSection
from growthlab.insight.goals import ALL_CUSTOMERS, PERCENT, Goal
from growthlab.insight.growth_figures import GROWTH_COLUMNS, growth_by_period
from growthlab.insight.growth_table import customers_behind, growth_table
from growthlab.insight.report_scope import SMALLEST_GROUP, ReportScope, SectionUnavailable

METRICS_OF_NEW_CUSTOMERS = (
    "new_users",
    "returning_buyers",
    "repeat_buyer_share",
)  # rest on what came before the month
DEVIATIONS = 3.0  # standard deviations of the monthly change that still count as plausible
MIN_MONTHS = 4  # of history, to know how much a figure moves
DAYS_PER_MONTH = 365.25 / 12
IMPOSSIBLE, NOT_MEASURED = "impossible", "not measured"


def measure_goals(
    goals: Sequence[Goal], scope: ReportScope, sections: Mapping[str, Section] | None = None
) -> ReportTable:
    """One row a goal: the figure, its distance from the target, and the plausible range.

    The figure is that of the last whole month, or of the last one that was over at the deadline.
    Goals may be set for the segments of `sections`. A goal that cannot be measured, or whose target
    is impossible, has a row with the reason.
    """
    segment_sections = {n: s for n, s in (sections or {}).items() if isinstance(s, SegmentSection)}
    months: dict[str, ReportTable | DataError] = {}
    for segment in dict.fromkeys((ALL_CUSTOMERS, *(goal.segment for goal in goals))):
        try:
            months[segment] = monthly_history(scope, segment, segment_sections)
        except DataError as error:
            months[segment] = error
    measured = [_measure(goal, months[goal.segment], scope, segment_sections) for goal in goals]
    known = [table for table in months.values() if isinstance(table, ReportTable)]
    return ReportTable(
        "goals",
        "Goals",
        pd.DataFrame([goal.row for goal in measured], columns=list(GOALS)),
        GOALS,
        cells={name: [goal.cells[name] for goal in measured] for name in FIGURES},
        counts={name: n for table in known for name, n in table.named_counts().items()},
        parts=tuple(dict.fromkeys(pair for table in known for pair in _parts(table, known[0]))),
    )


def monthly_history(
    scope: ReportScope, segment: str, sections: Mapping[str, SegmentSection] | None = None
) -> ReportTable:
    """The whole months of a segment with the columns of `GROWTH_COLUMNS`.

    A segment of one of the `sections` is formed anew as of the beginning of each month, so that its
    members are not selected by what they did in that month; its history begins after the burn-in.

    Raises
    ------
    DataError
        An unknown segment, or one smaller than a group that may be reported.
    """
    months = growth_by_period(
        _segment_log(scope, segment, sections or {}),
        "month",
        first_day=scope.first_day,
        as_of=scope.as_of,
        burn_in_end=scope.burn_in_end,
        active_events=scope.active_events,
    )
    figures = [n for n, column in GROWTH_COLUMNS.items() if column.count_columns]
    of = "" if segment == ALL_CUSTOMERS else segment
    return growth_table(scope, "month", months[months["complete"]], figures, name="months", of=of)


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
    raise DataError(f"segment {segment} is not known: {near_matches(name, known)}")


def _log_of_attribute(scope: ReportScope, column: str, value: str) -> EventLog:
    """The events of the customers with this value in a column of the table of users."""
    users = scope.log.users
    assert users is not None
    texts = users[column].astype("str")
    ids = users.loc[texts == value, "user_id"]
    if ids.empty:
        raise DataError(f"nobody has {column}={value}: {near_matches(value, texts.dropna())}")
    if len(ids) < scope.min_group:
        raise DataError(
            f"{column}={value} has fewer than {scope.min_group} customers "
            "(privacy.min_group): choose a larger segment"
        )
    condition = "SELECT * FROM events WHERE user_id IN (SELECT user_id FROM members)"
    return scope.log.derive(condition, {"members": pd.DataFrame({"user_id": ids})}, store=True)


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
            raise DataError(f"segment {segment} is not known: {near_matches(value, names)}")
        ids = labels.index[(labels.astype(str) == value).to_numpy()]
        parts.append(pd.DataFrame({"user_id": ids, "month": start}))
    if not parts:
        raise DataError(f"{segment}: the log has no month after its burn-in")
    members = pd.concat(parts, ignore_index=True)
    month = scope.calendar.period_start("month")
    return scope.log.derive(
        f"SELECT events.* FROM events JOIN members ON events.user_id = members.user_id "
        f"AND {month} = members.month",
        {"members": members},
        store=True,
    )


@dataclass(frozen=True)
class _MeasuredGoal:
    """The row of a goal, and the counts behind its figures."""

    row: list[Any]
    cells: Mapping[str, CellCounts]


def _measure(
    goal: Goal,
    months: ReportTable | DataError,
    scope: ReportScope,
    sections: Mapping[str, SegmentSection],
) -> _MeasuredGoal:
    """The row of a goal: with its figures, or with the reason why it has none."""
    days_left = (pd.Timestamp(goal.deadline) - pd.Timestamp(scope.as_of)) / pd.Timedelta(days=1)
    why = _impossible(goal, sections)
    state = IMPOSSIBLE if why else NOT_MEASURED
    if not why and isinstance(months, DataError):
        why = str(months)
    elif not why and isinstance(months, ReportTable) and goal.metric not in months.columns:
        why = f"a log of purchases alone has no {goal.metric}: choose buyers or what they spend"
    if why or isinstance(months, DataError):
        return _unmeasured(goal, days_left, state, why)
    allowed = [_is_large_enough(scope, months, cell) for cell in cell_counts(months, goal.metric)]
    values = months.rows[goal.metric].where(pd.Series(allowed, dtype=bool)).astype("float64")
    known = values.dropna() / goal.scale
    if len(known) < MIN_MONTHS:
        why = (
            f"history has {len(known)} whole months of at least {scope.min_group} customers "
            f"(privacy.min_group), and it takes {MIN_MONTHS} to say what is possible"
        )
        return _unmeasured(goal, days_left, state, why)
    ends = months.rows["period"] + pd.offsets.MonthBegin(1)
    past = known[ends[known.index] <= pd.Timestamp(goal.deadline) + pd.Timedelta(days=1)]
    if past.empty:
        why = f"no month of the log was over at {goal.deadline}"
        return _unmeasured(goal, days_left, state, why)
    return _measured(goal, months, known, int(past.index[-1]), days_left)


def _measured(
    goal: Goal, months: ReportTable, known: pd.Series, place: int, days_left: float
) -> _MeasuredGoal:
    """The row of a goal by the figure of the month at `place`."""
    column = GROWTH_COLUMNS[goal.metric]
    months_left = days_left / DAYS_PER_MONTH
    low, high = (
        value / goal.scale
        for value in plausible_range(
            (known * goal.scale).tolist(), months_left, share=column.unit == "share"
        )
    )
    current = float(known[place])
    baseline = current if goal.baseline is None else goal.baseline
    met_before, met = goal.is_met_by(baseline), goal.is_met_by(current)
    progress = math.nan if met_before else (current - baseline) / (goal.target - baseline)
    state = ("reached" if met else "missed") if days_left < 0 else "reached" if met else "open"
    if met_before and days_left >= 0 and met:
        state = "already met"
    why = ""
    if state == "open" and not low <= goal.target <= high:
        why = f"implausible: history allows {low:.4g} to {high:.4g} by then"
    behind_column = customers_behind(months, goal.metric)
    cells = {name: cell_counts(months, name)[place] for name in (goal.metric, behind_column)}
    extremes = (known.idxmin(), known.idxmax(), known.index[-1], place)
    behind = [cell_counts(months, goal.metric)[row] for row in dict.fromkeys(extremes)]
    numbers = (baseline, current, goal.target, goal.target - current, progress, low, high)
    customers = int(months.numbers_of(behind_column)[place])
    return _MeasuredGoal(
        [
            goal.metric,
            goal.segment,
            goal.unit,
            months.rows["period"].iloc[place],
            *numbers,
            pd.Timestamp(goal.deadline),
            max(0, round(days_left)),
            state,
            why,
            customers,
        ],
        {
            **dict.fromkeys(FIGURES, cells[goal.metric]._replace(shows="")),
            **dict.fromkeys(("target", "days_left"), CellCounts()),
            **dict.fromkeys(("low", "high"), _joined(behind)),
            "customers": cells[behind_column],
        },
    )


def _unmeasured(goal: Goal, days_left: float, state: str, why: str) -> _MeasuredGoal:
    """The row of a goal without figures."""
    nothing = math.nan
    row = [
        goal.metric,
        goal.segment,
        goal.unit,
        pd.NaT,
        nothing,
        nothing,
        goal.target,
        *[nothing] * 4,
    ]
    row += [pd.Timestamp(goal.deadline), max(0, round(days_left)), state, why, pd.NA]
    return _MeasuredGoal(row, dict.fromkeys(FIGURES, CellCounts()))


def _impossible(goal: Goal, sections: Mapping[str, SegmentSection]) -> str:
    """Why no figure can be the target; empty where one can."""
    if goal.metric in METRICS_OF_NEW_CUSTOMERS and goal.segment.partition("=")[0] in sections:
        return (
            f"{goal.metric} of {goal.segment}: all its customers have bought before: choose "
            "another metric"
        )
    if goal.target < 0 and goal.metric not in ("net_sales", "arpu"):
        return f"{goal.metric} cannot be below 0"
    if GROWTH_COLUMNS[goal.metric].unit == "share" and not 0 < goal.target * goal.scale < 1:
        bound = "0 and 100 percent" if goal.unit == PERCENT else "0 and 1"
        return f"{goal.metric} is a share, and its target must lie between {bound}"
    return ""


def _is_large_enough(scope: ReportScope, months: ReportTable, cell: CellCounts) -> bool:
    values = months.named_counts()
    groups = all(values[name] >= scope.min_group for name in cell.groups)
    return groups and all(values[name] >= SMALLEST_GROUP for name in cell.subsets)


def _joined(cells: Sequence[CellCounts]) -> CellCounts:
    """The counts behind a figure that is worked out from several others."""
    return CellCounts(
        groups=tuple(dict.fromkeys(name for cell in cells for name in cell.groups)),
        subsets=tuple(dict.fromkeys(name for cell in cells for name in cell.subsets)),
        reveals=tuple(dict.fromkeys(name for cell in cells for name in cell.reveals)),
    )


def _parts(months: ReportTable, everyone: ReportTable) -> list[tuple[str, str]]:
    """The counts of a segment as parts of those of all customers, and as parts of each other."""
    pairs = list(months.named_parts())
    if months is not everyone:
        for column in ("active_users", "buyers"):
            pairs += zip(everyone.names_of(column), months.names_of(column), strict=True)
    return pairs


FIGURES = (
    "baseline",
    "current",
    "target",
    "distance",
    "progress",
    "low",
    "high",
    "days_left",
    "customers",
)
GOALS = {
    "metric": Column("label", "The monthly figure; it is defined with the growth figures."),
    "segment": Column("label", "The customers whose figure it is."),
    "unit": Column("label", "What the numbers of the row count."),
    "month": Column("date", "The month that counts: the last one that was over at the deadline."),
    "baseline": Column("number", "Where it began: as set, or the current value."),
    "current": Column("number", "The figure of that month."),
    "target": Column("number", "Where it should be."),
    "distance": Column("number", "target - current."),
    "progress": Column(
        "share",
        "(current - baseline) / (target - baseline); none where the target was met at the start.",
    ),
    "low": Column("number", "The lowest value by the deadline that history makes plausible."),
    "high": Column(
        "number",
        "The highest value by the deadline that history makes plausible: 3 standard deviations of the "
        "monthly change, times the square root of the months left, or what it has been before.",
    ),
    "deadline": Column("date", "The day by which."),
    "days_left": Column("number", "Days from the end of the log to the deadline."),
    "state": Column(
        "label",
        "Before the deadline open, reached, or already met where the target was at the start; after "
        "it reached or missed, by the month that counts. Impossible or not measured: see reason.",
    ),
    "reason": Column("label", "Why a goal is impossible, implausible or not measured."),
    "customers": Column("customers", "Customers behind the current value."),
}
