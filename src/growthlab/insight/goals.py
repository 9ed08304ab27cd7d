"""Goals: the value that a growth figure should reach by a date, read from a file and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

from growthlab.core.errors import ConfigError, near_matches, quoted
from growthlab.core.plain_yaml import read_plain_yaml
from growthlab.insight.growth_figures import GROWTH_COLUMNS

METRICS = tuple(n for n in GROWTH_COLUMNS if n not in ("period", "complete"))
LARGEST_TARGET = 1e15
ALL_CUSTOMERS = "all"
PERCENT = "percent"
RISE, FALL = "rise", "fall"
GOAL_UNITS = {
    "customers": ("customers",),
    "number": ("customers",),  # mean_daily_active
    "count": ("orders",),
    "share": ("share", PERCENT),
    "money": ("money",),
}


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One goal: `metric` of the customers of `segment`, from `baseline` to `target` by `deadline`.

    Metrics are the monthly figures of the report. A segment is ``all``, ``column=value`` of the
    table of users, or ``section=name`` of a section that names segments, such as
    ``rfm=champions``, ``life_cycle=at risk`` or ``tiers=gold``. A null baseline is the current
    figure. The figure should `rise` to the target or `fall` to it. `owner` and `source` are for the
    reader.
    """

    metric: str
    target: float
    unit: str
    deadline: date
    segment: str = ALL_CUSTOMERS
    baseline: float | None = None
    direction: str = RISE
    owner: str = ""
    source: str = ""

    @property
    def scale(self) -> float:
        """How much one unit of the goal is in the unit of the metric."""
        return 0.01 if self.unit == PERCENT else 1.0

    def is_met_by(self, value: float) -> bool:
        """Whether a value is the target or beyond it."""
        return value >= self.target if self.direction == RISE else value <= self.target


def read_goals(source: str | Path | Sequence[Any], currency: str | None = None) -> list[Goal]:
    """The goals of a yaml file (a list of mappings, or that list under ``goals``), or of such a list.

    Raises
    ------
    ConfigError
        A file that cannot be read, or the first wrong goal: an unknown field or metric, a unit that
        is not the metric's, no deadline, no number for a target.
    """
    if isinstance(source, (str, Path)):
        return _parse_goals(_read_list(Path(source).expanduser()), f" of {source}", currency)
    return _parse_goals(source, "", currency)


def _parse_goals(entries: Sequence[Any], place: str, currency: str | None) -> list[Goal]:
    goals = []
    for n, entry in enumerate(entries, start=1):
        where = f"goal {n}{place}"
        if not isinstance(entry, Mapping):
            raise ConfigError(f"{where} is no mapping: it needs metric, target, unit and deadline")
        goals.append(_parse_goal(entry, where, currency))
    return goals


def _read_list(path: Path) -> list[Any]:
    """The list of goals in a yaml file."""
    try:
        content = read_plain_yaml(path)
    except ConfigError as error:
        raise ConfigError(f"goals={error}") from error
    if isinstance(content, Mapping) and set(content) == {"goals"}:
        content = content["goals"]
    if not isinstance(content, list) or not content:
        raise ConfigError(f"goals={path} holds no list of goals: each begins with - metric: ...")
    return content


def _parse_goal(entry: Mapping[Any, Any], where: str, currency: str | None) -> Goal:
    """A goal, after a check that all its fields are there and of their types."""
    known = [f.name for f in fields(Goal)]
    for name in entry:
        if name not in known:
            raise ConfigError(f"{where}: no field {name}: {near_matches(str(name), known)}")
    for name in ("metric", "target", "unit", "deadline"):
        if entry.get(name) is None:
            hint = ": a goal without one is never missed" if name == "deadline" else ""
            raise ConfigError(f"{where} has no {name}{hint}")
    metric, unit = str(entry["metric"]), str(entry["unit"])
    if metric not in METRICS:
        raise ConfigError(f"{where}: unknown metric {metric}: {near_matches(metric, METRICS)}")
    units = [*GOAL_UNITS[GROWTH_COLUMNS[metric].unit]]
    if GROWTH_COLUMNS[metric].unit == "money" and currency:
        units.append(currency)
    if unit not in units:
        raise ConfigError(
            f"{where}: {metric} is not counted in {unit}: possible: {', '.join(units)}"
        )
    baseline, direction = entry.get("baseline"), str(entry.get("direction") or RISE)
    if direction not in (RISE, FALL):
        raise ConfigError(f"{where}: direction={direction}: possible: {RISE}, {FALL}")
    return Goal(
        metric=metric,
        target=_number(entry["target"], "target", where),
        unit=unit,
        deadline=_date(entry["deadline"], where),
        segment=str(entry.get("segment") or ALL_CUSTOMERS),
        baseline=None if baseline is None else _number(baseline, "baseline", where),
        direction=direction,
        owner=str(entry.get("owner") or ""),
        source=str(entry.get("source") or ""),
    )


def _number(value: Any, name: str, where: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not -LARGEST_TARGET <= value <= LARGEST_TARGET:  # nor NaN
        raise ConfigError(f"{where}: {name} must be a number, got {quoted(repr(value))}")
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
