"""How the times of a column are written, found by reading them in each way that there is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.columns import as_times
from growthlab.data.inspect.table_sample import SampledColumn
from growthlab.data.time_conversion import likely_unit

TRIED = 300  # distinct cells
SHORTEST = 8  # digits of a time; 1999 may be a price
POSSIBLE = (datetime(1971, 1, 1), datetime(2200, 1, 1))
_CLOCKS = (
    "",
    " %H:%M:%S",
    " %H:%M",
    ", %H:%M:%S",
    ", %H:%M",
    " %I:%M:%S %p",
    ", %I:%M:%S %p",
    " %I:%M %p",
)
_DAYS = (
    *(
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d.%m.%Y",
        "%d-%m-%Y",
        "%m-%d-%Y",
        "%Y/%m/%d",
        "%Y.%m.%d",
        "%Y年%m月%d日",
    ),
    *(
        "%d/%m/%y",
        "%m/%d/%y",
        "%d.%m.%y",
        "%b %d, %Y",
        "%B %d, %Y",
        "%d %b %Y",
        "%d %B %Y",
        "%d-%b-%Y",
    ),
)
_OTHERS = (
    *("%Y-%m-%d %H", "%Y%m%d%H%M%S", "%Y-%m-%d %I:%M:%S %p", "%Y年%m月%d日 %H时%M分%S秒"),
    *(
        "%Y年%m月%d日 %H时%M分",
        "%a %b %d %H:%M:%S %Y",
        "%a, %d %b %Y %H:%M:%S %z",
        "%d/%b/%Y:%H:%M:%S %z",
    ),
)
_OF_12_HOURS = ("%m/%d/%Y", "%m/%d/%y", "%m-%d-%Y")  # am and pm are written where months come first
FORMATS = (
    *(day + clock for day in _OF_12_HOURS for clock in _CLOCKS if "%p" in clock),
    *(day + clock for day in _DAYS for clock in _CLOCKS),
    *_OTHERS,
)
_ZONE = re.compile(r":\d\d.*(Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)$")


@dataclass(frozen=True)
class TimeFormat:
    """How times are read: the settings `unit` and `timestamp_format`, null where none is needed.

    `other` is a format that reads all of them too, as days and months may be exchanged; `has_zone`
    whether they say their zone.
    """

    unit: str | None = None
    format: str | None = None
    other: str | None = None
    has_zone: bool = False


@lru_cache(maxsize=512)
def time_format(column: SampledColumn) -> TimeFormat | None:
    """How the times of a column are written; None where it holds no times."""
    if column.is_time:
        return TimeFormat(has_zone="TIME ZONE" in column.type)
    cells = column.distinct[:TRIED]
    if not cells or all(cell.isdigit() and len(cell) < SHORTEST for cell in cells):
        return None
    unit = _unit(cells)
    if unit is not None:
        return TimeFormat(unit=unit, has_zone=True) if _reads(cells, unit=unit) else None
    if not column.is_text:
        return None
    if _reads(cells):
        return TimeFormat(has_zone=all(_ZONE.search(cell.strip()) for cell in cells))
    fitting = [f for f in FORMATS if _may_fit(cells[0], f) and _reads(cells, format=f)]
    if not fitting:
        return None
    first = fitting[0]
    others = [f for f in fitting[1:] if f != first and _is_exchanged(f, first)]
    if others and _n_back(column, others[0]) < _n_back(column, first):
        first, others = others[0], [first]
    return TimeFormat(format=first, other=others[0] if others else None, has_zone="%z" in first)


def _n_back(column: SampledColumn, format: str) -> int:
    """How often a row is earlier than the one before it: seldom, where the format is right."""
    try:
        times = as_times(pd.Series(column.known, dtype="str"), "time", format=format)
    except DataError:
        return len(column.known)
    return int((times.diff().dt.total_seconds() < 0).sum())


def _unit(cells: Sequence[str]) -> str | None:
    """The unit in which all cells are numbers of these days."""
    try:
        units = {likely_unit(float(cell)) for cell in cells if float(cell)}
    except ValueError:
        return None
    return next(iter(units)) if len(units) == 1 else None


def _reads(cells: Sequence[str], *, unit: str | None = None, format: str | None = None) -> bool:
    """Whether all cells are times of these centuries, read in this way."""
    try:
        times = as_times(pd.Series(cells, dtype="str"), "time", unit=unit, format=format).dropna()
    except DataError:
        return False
    return bool(len(times)) and bool(times.between(*POSSIBLE).all())


def _may_fit(cell: str, format: str) -> bool:
    """Whether a cell has the signs of a format at the same places, so that it is worth trying."""
    if "%z" in format:
        return _ZONE.search(cell.strip()) is not None
    pattern = re.sub("%[abBp]", "a", format)
    return _shape(cell.strip()) == _shape(re.sub("%[a-zA-Z]", "0", pattern))


def _shape(text: str) -> str:
    """A text with 0 for its numbers and a for its Latin letters."""
    return re.sub("[A-Za-z]+", "a", re.sub("[0-9]+", "0", text))


def _is_exchanged(one: str, other: str) -> bool:
    """Whether two formats differ in the order of day and month alone."""
    return one.replace("%m", "%d") == other.replace("%m", "%d")
