"""A chart of values with their bounds, one row each, on an axis that they share (a forest plot)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

from growthlab.pages.charts import LETTER, LONGEST_LABEL, WIDTH, AxisTick, cut_label
from growthlab.pages.ticks import number_ticks

ROW = 24.0
PAD = 0.06  # of the range, on both sides


class Interval(NamedTuple):
    """A value with bounds (NaN: none), under its label; one that `stands_out` is darker."""

    label: str
    value: float
    low: float = math.nan
    high: float = math.nan
    stands_out: bool = False


class IntervalRow(NamedTuple):
    """An interval at its positions; `ends` is None without bounds."""

    label: str
    full_label: str
    y: float
    x: float
    ends: tuple[float, float] | None
    colour: str


@dataclass(frozen=True)
class IntervalChart:
    """Intervals under each other; `zero` is a line that all are compared with.

    `band` is shaded: differences within it would likely be missed.
    """

    kind: ClassVar[str] = "intervals"
    width: ClassVar[float] = WIDTH
    right: ClassVar[float] = WIDTH - 12.0
    legend: ClassVar[tuple[tuple[str, str], ...]] = ()
    intervals: Sequence[Interval]
    format_value: Callable[[float], str]
    x_label: str = ""
    zero: float | None = None
    band: tuple[float, float] | None = None

    @property
    def bottom(self) -> float:
        """Where the axis is."""
        return ROW * len(self.intervals) + 4.0

    @property
    def height(self) -> float:
        """As many rows as intervals, and the axis."""
        return self.bottom + 34.0

    @cached_property
    def left(self) -> float:
        """Where the axis begins."""
        longest = max((len(each.label) for each in self.intervals), default=0)
        return 10.0 + LETTER * min(longest, LONGEST_LABEL)

    @property
    def x_ticks(self) -> list[AxisTick]:
        """The marks of the axis."""
        return [AxisTick(self._x(v), self.format_value(v)) for v in number_ticks(*self._range, 4)]

    @property
    def line_of_zero(self) -> float | None:
        """Where the line is that all are compared with."""
        return None if self.zero is None else self._x(self.zero)

    @property
    def shaded(self) -> tuple[float, float] | None:
        """Left end and width of the band, within the chart."""
        if self.band is None:
            return None
        low, high = (min(max(v, self._range[0]), self._range[1]) for v in self.band)
        return self._x(low), self._x(high) - self._x(low)

    @property
    def rows(self) -> list[IntervalRow]:
        """The intervals at their positions; one without a value is left out."""
        return [
            self._row(place, each)
            for place, each in enumerate(self.intervals)
            if not math.isnan(each.value)
        ]

    def _row(self, place: int, each: Interval) -> IntervalRow:
        bounded = not math.isnan(each.low + each.high)
        ends = (self._x(each.low), self._x(each.high)) if bounded else None
        y, colour = ROW * (place + 0.5) + 2.0, "0" if each.stands_out else "other"
        return IntervalRow(cut_label(each.label), each.label, y, self._x(each.value), ends, colour)

    @cached_property
    def _range(self) -> tuple[float, float]:
        known = [v for each in self.intervals for v in each[1:4] if not math.isnan(v)]
        known += [] if self.zero is None else [self.zero]
        low, high = min(known, default=0.0), max(known, default=1.0)
        room = PAD * (high - low) or 1.0
        return low - room, high + room

    def _x(self, value: float) -> float:
        low, high = self._range
        return self.left + (value - low) / (high - low) * (self.right - self.left)
