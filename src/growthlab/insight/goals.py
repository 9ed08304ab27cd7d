"""Goals: what a team wants of a growth figure by when; what cannot be is refused, the rest measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import Column, ReportTable, Section, SegmentSection
from growthlab.insight.growth_figures import COLUMNS, growth
from growthlab.insight.scope import Scope, Unavailable

METRICS = tuple(n for n in COLUMNS if n not in ("period", "complete"))
EVERYBODY = "all"
OF_THE_NEW = ("new_users", "repeat_buyer_share")  # told by what a customer did before the month
PERCENT = "percent"
UNITS = {
    "customers": ("customers",),
    "number": ("customers",),  # mean_daily_active
    "count": ("orders",),
    "share": ("share", PERCENT),
    "money": ("money",),
}
WIDTH = 3.0  # standard deviations of what a figure has done that still count as possible
LEAST_MONTHS = 4  # of history, to know how much a figure moves
MONTH = 365.25 / 12  # days


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One goal: `metric` of the customers of `segment`, from `baseline` to `target` by `deadline`.

    Metrics are the monthly figures of the report. A segment is ``all``, ``column=value`` of the
    table of users, or ``section=name`` of a section that names segments, such as
    ``rfm=champions``, ``life_cycle=at risk`` or ``tiers=gold``. A null baseline is the figure of
    the last whole month. `owner` and `source` are for the reader.
    """

    metric: str
    target: float
    unit: str
    deadline: date
    segment: str = EVERYBODY
    baseline: float | None = None
    owner: str = ""
    source: str = ""

    @property
    def scale(self) -> float:
        """What one unit of the goal is in the unit of the metric."""
        return 0.01 if self.unit == PERCENT else 1.0


def read_goals(given: str | Path | Sequence[Any], currency: str | None = None) -> list[Goal]:
    """The goals of a yaml file (a list of mappings, or that list under ``goals``), or of such a list.

    Raises
    ------
    ConfigError
        A file that cannot be read, or the first goal that is none: an unknown field or metric, a
        unit that is not the metric's, no deadline, no number for a target.
    """
    if isinstance(given, (str, Path)):
        return _goals(_listed(Path(given).expanduser()), f" of {given}", currency)
    return _goals(given, "", currency)


def _goals(given: Sequence[Any], place: str, currency: str | None) -> list[Goal]:
    """A goal a mapping."""
    goals = []
    for n, each in enumerate(given, start=1):
        where = f"goal {n}{place}"
        if not isinstance(each, Mapping):
            raise ConfigError(f"{where} is no mapping: it needs metric, target, unit and deadline")
        goals.append(_goal(each, where, currency))
    return goals


def measured(
    goals: Sequence[Goal], scope: Scope, sections: Mapping[str, Section] | None = None
) -> ReportTable:
    """One row a goal: where the figure stands, what is still missing, and what history allows.

    `sections` are those whose segments goals may be set for.

    Raises
    ------
    ConfigError
        A segment that there is not, or one smaller than a group that may be reported; a metric
        that a segment cannot have; a target outside what history allows.
    """
    named = {n: s for n, s in (sections or {}).items() if isinstance(s, SegmentSection)}
    for goal in goals:
        if goal.metric in OF_THE_NEW and goal.segment.partition("=")[0] in named:
            raise ConfigError(
                f"goals: {goal.metric} of {goal.segment}: all its customers have bought before: "
                "choose another metric"
            )
    histories = {each: history(scope, each, named) for each in {goal.segment for goal in goals}}
    rows = [_row(goal, histories[goal.segment], scope) for goal in goals]
    return ReportTable("goals", "Goals", pd.DataFrame(rows, columns=list(GOALS)), GOALS)


def history(
    scope: Scope, segment: str, named: Mapping[str, SegmentSection] | None = None
) -> pd.DataFrame:
    """The whole months of a segment by period, with the columns of the growth table.

    Null where a figure is of too few customers. A segment of one of the sections `named` is made
    anew as of the beginning of each month, so that its members are not chosen by what they did in
    it; its history begins after the burn-in.
    """
    months = growth(
        _log_of(scope, segment, named or {}),
        "month",
        first=scope.first,
        as_of=scope.as_of,
        settled=scope.settled,
        active_events=scope.active_events,
    )
    months = months[months["complete"]].reset_index(drop=True)
    return (
        ReportTable("months", "", months, COLUMNS)
        .protected(scope.min_group)
        .rows.set_index("period")
    )


def allowed(values: Sequence[float], months: float, *, share: bool = False) -> tuple[float, float]:
    """The bounds within which history lets a figure be in so many months.

    The figure has moved by some factor from each month to the next. As a random walk in its
    logarithm it will have moved by no more than `WIDTH` standard deviations of that, times the
    square root of the months. What it has been before is always possible; a share stays within 0
    and 1.
    """
    past = np.asarray(values, dtype=float)
    steps = np.diff(np.log(np.maximum(past, 1e-9)))
    reach = WIDTH * float(np.sqrt(np.mean(steps**2) * max(months, 1.0)))
    low, high = past[-1] * np.exp([-reach, reach])
    low, high = min(low, past.min()), max(high, past.max())
    return float(max(low, 0.0)), float(min(high, 1.0) if share else high)


def _listed(path: Path) -> list[Any]:
    """What the file holds as a list."""
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"goals={path} cannot be read ({error.strerror}): give a yaml file"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"goals={path} is no yaml: {error}") from None
    if isinstance(given, Mapping) and set(given) == {"goals"}:
        given = given["goals"]
    if not isinstance(given, list) or not given:
        raise ConfigError(f"goals={path} holds no list of goals: each begins with - metric: ...")
    return given


def _goal(given: Mapping[Any, Any], where: str, currency: str | None) -> Goal:
    """A goal whose fields are all there and of their kind."""
    known = [f.name for f in fields(Goal)]
    for name in given:
        if name not in known:
            raise ConfigError(f"{where}: no field {name}: {near_matches(str(name), known)}")
    for name in ("metric", "target", "unit", "deadline"):
        if given.get(name) is None:
            hint = ": a goal without one is never missed" if name == "deadline" else ""
            raise ConfigError(f"{where} has no {name}{hint}")
    metric, unit = str(given["metric"]), str(given["unit"])
    if metric not in METRICS:
        raise ConfigError(f"{where}: unknown metric {metric}: {near_matches(metric, METRICS)}")
    units = [*UNITS[COLUMNS[metric].unit]]
    if COLUMNS[metric].unit == "money" and currency:
        units.append(currency)
    if unit not in units:
        raise ConfigError(
            f"{where}: {metric} is not counted in {unit}: possible: {', '.join(units)}"
        )
    baseline = given.get("baseline")
    return Goal(
        metric=metric,
        target=_number(given["target"], "target", where),
        unit=unit,
        deadline=_date(given["deadline"], where),
        segment=str(given.get("segment") or EVERYBODY),
        baseline=None if baseline is None else _number(baseline, "baseline", where),
        owner=str(given.get("owner") or ""),
        source=str(given.get("source") or ""),
    )


def _number(value: Any, name: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise ConfigError(f"{where}: {name} must be a number, got {value!r}")
    return float(value)


def _date(value: Any, where: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ConfigError(
            f"{where}: deadline must be a date like 2025-12-31, got {value!r}"
        ) from None


def _log_of(scope: Scope, segment: str, named: Mapping[str, SegmentSection]) -> EventLog:
    """The events of a segment."""
    if segment == EVERYBODY:
        return scope.log
    name, equals, value = (part.strip() for part in segment.partition("="))
    columns = [] if scope.log.users is None else [str(c) for c in scope.log.users if c != "user_id"]
    if equals and name in columns:
        return _with_value(scope, name, value)
    if equals and name in named:
        return _named(scope, segment, named[name], value)
    known = [EVERYBODY, *(f"{c}=..." for c in (*columns, *named))]
    raise ConfigError(f"goals: segment {segment} is not known: {near_matches(name, known)}")


def _with_value(scope: Scope, column: str, value: str) -> EventLog:
    """The events of the customers with a value in a column of the users."""
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


def _named(scope: Scope, segment: str, section: SegmentSection, value: str) -> EventLog:
    """The events of each month of those who were in a segment when the month began."""
    starts = pd.date_range(scope.settled, scope.as_of, freq="MS", normalize=True, unit="us")
    parts = []
    for start in starts:
        try:
            found = section.customers(scope.log, start.to_pydatetime())[section.label]
        except Unavailable:
            continue  # nobody had bought by then
        names = [str(name) for name in found.cat.categories]
        if value not in names:
            raise ConfigError(
                f"goals: segment {segment} is not known: {near_matches(value, names)}"
            )
        ids = found.index[(found.astype(str) == value).to_numpy()]
        parts.append(pd.DataFrame({"user_id": ids, "month": start}))
    if not parts:
        raise DataError(f"goals: {segment}: the log has no month after its burn-in")
    members = pd.concat(parts, ignore_index=True)
    of_the_month = "date_trunc('month', timestamp)::TIMESTAMP"
    return scope.log.derive(
        f"SELECT events.* FROM events JOIN members ON events.user_id = members.user_id "
        f"AND {of_the_month} = members.month",
        {"members": members},
    )


def _row(goal: Goal, months: pd.DataFrame, scope: Scope) -> list[Any]:
    """Where a goal stands; ConfigError where history does not allow its target."""
    column, name = COLUMNS[goal.metric], f"{goal.metric} of {goal.segment}"
    known = months[goal.metric].dropna().astype("float64") / goal.scale
    if len(known) < LEAST_MONTHS:
        raise DataError(
            f"goals: {name}: history has {len(known)} whole months of at least {scope.min_group} "
            f"customers (privacy.min_group), and it takes {LEAST_MONTHS} to say what is possible"
        )
    days_left = (pd.Timestamp(goal.deadline) - pd.Timestamp(scope.as_of)) / pd.Timedelta(days=1)
    left = days_left / MONTH
    share = column.unit == "share"
    low, high = (v / goal.scale for v in allowed((known * goal.scale).tolist(), left, share=share))
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
    done = (current - baseline) / (goal.target - baseline)
    customers = int(months.loc[known.index[-1], list(column.of)].min())
    distance = goal.target - current
    stand = "reached" if done >= 1 else "missed" if left < 0 else "open"
    return [
        goal.metric,
        goal.segment,
        goal.unit,
        baseline,
        current,
        goal.target,
        distance,
        done,
        low,
        high,
        pd.Timestamp(goal.deadline),
        max(0, round(days_left)),
        stand,
        customers,
    ]


_OF = ("customers",)
GOALS = {
    "metric": Column("label", "The monthly figure; its definition stands with the growth figures."),
    "segment": Column("label", "The customers whose figure it is."),
    "unit": Column("label", "What the numbers of the row count."),
    "baseline": Column("number", "Where it began: as given, or the current value.", _OF),
    "current": Column("number", "The figure of the last whole month.", _OF),
    "target": Column("number", "Where it shall be.", _OF),
    "distance": Column("number", "target - current.", _OF),
    "progress": Column("share", "(current - baseline) / (target - baseline).", _OF),
    "low": Column("number", "The least that history allows by the deadline.", _OF),
    "high": Column(
        "number",
        "The most that history allows by the deadline: 3 standard deviations of the monthly change, "
        "times the square root of the months left, or what it has been before.",
        _OF,
    ),
    "deadline": Column("date", "The day by which."),
    "days_left": Column("number", "Days from the end of the log to the deadline.", _OF),
    "state": Column("label", "reached, open, or missed where the deadline has passed."),
    "customers": Column("customers", "Customers behind the current value.", _OF),
}
