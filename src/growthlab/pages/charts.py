"""Charts as SVG: lines over numbers or dates, and bars; each turns its values into positions to draw.

Lengths are in units of the drawing, which is about as wide as a phone in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import ClassVar
from unicodedata import east_asian_width

from growthlab.pages.ticks import (
    ENGLISH_DATES,
    DateWords,
    date_ticks,
    number_ticks,
    whole_ticks,
)

WIDTH = 360.0
LETTER = 5.6  # width of a letter
COLOURS = 6  # of the style sheet: colour-0 to colour-5
POINTS_WITH_DOTS = 40  # longer lines have none
GAP = 6.0  # between the bars of two labels
LONGEST_LABEL = 28  # letters, the rest of a label is cut off

X = float | datetime
Point = tuple[X, float]


@dataclass(frozen=True)
class AxisTick:
    """A mark of an axis."""

    position: float
    label: str


@dataclass(frozen=True)
class LineDrawing:
    """A line and its dots; `colour` ends a class of the style sheet."""

    colour: str
    path: str  # of an SVG path
    dots: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class LineChart:
    """Named lines of points, sorted by x; the line has a gap where y is NaN."""

    kind: ClassVar[str] = "lines"
    width: ClassVar[float] = WIDTH
    height: ClassVar[float] = 212.0
    top: ClassVar[float] = 10.0
    right: ClassVar[float] = WIDTH - 14.0
    lines: Mapping[str, Sequence[Point]]
    format_y: Callable[[float], str]
    x_label: str = ""
    date_words: DateWords = ENGLISH_DATES
    from_zero: bool = True

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The colour and name of each line; none for one line, which the title names."""
        names = [(_colour(place), name) for place, name in enumerate(self.lines)]
        return names if len(names) > 1 else []

    @property
    def bottom(self) -> float:
        """Where y is lowest; the x axis is written under it."""
        return self.height - (34.0 if self.x_label else 20.0)

    @cached_property
    def left(self) -> float:
        """Where x is lowest; the y axis is written to the left of it."""
        return 10.0 + max(_width(self.format_y(tick)) for tick in self._y_ticks)

    @property
    def y_ticks(self) -> list[AxisTick]:
        """The marks of the y axis."""
        return [AxisTick(self._y(value), self.format_y(value)) for value in self._y_ticks]

    @property
    def x_ticks(self) -> list[AxisTick]:
        """The marks of the x axis."""
        first, last = self._x_range
        if isinstance(first, datetime) and isinstance(last, datetime):
            ticks = date_ticks(first, last, words=self.date_words)
            return [AxisTick(self._x(day), label) for day, label in ticks]
        return [AxisTick(self._x(x), f"{x:g}") for x in whole_ticks(_number(first), _number(last))]

    @property
    def drawings(self) -> list[LineDrawing]:
        """The lines, at their positions."""
        return [self._drawing(place, line) for place, line in enumerate(self.lines.values())]

    def _drawing(self, place: int, line: Sequence[Point]) -> LineDrawing:
        pieces: list[list[tuple[float, float]]] = [[]]
        for x, y in line:
            if math.isnan(y):
                pieces.append([])
            else:
                pieces[-1].append((self._x(x), self._y(y)))
        path = " ".join(f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in p)}" for p in pieces if p)
        dotted = len(line) <= POINTS_WITH_DOTS
        dots = [point for piece in pieces for point in piece if dotted or len(piece) == 1]
        return LineDrawing(_colour(place), path, dots)

    @cached_property
    def _x_range(self) -> tuple[X, X]:
        xs = [x for line in self.lines.values() for x, _ in line]
        return min(xs, key=_number), max(xs, key=_number)

    @cached_property
    def _y_range(self) -> tuple[float, float]:
        """From 0, or what is below it, to a little above the highest; or around the values alone."""
        ys = [y for line in self.lines.values() for _, y in line if not math.isnan(y)]
        if not self.from_zero:
            room = 0.08 * (max(ys) - min(ys)) or 0.05 * abs(max(ys)) or 1.0
            return min(ys) - room, max(ys) + room
        low, high = min(0.0, 1.08 * min(ys)), 1.08 * max(ys)
        return low, high if high > low else low + 1.0

    @property
    def _y_ticks(self) -> list[float]:
        return number_ticks(*self._y_range)

    def _x(self, x: X) -> float:
        first, last = (_number(end) for end in self._x_range)
        share = (_number(x) - first) / (last - first) if last > first else 0.5
        return self.left + 6.0 + share * (self.right - self.left - 6.0)

    def _y(self, y: float) -> float:
        low, high = self._y_range
        return self.bottom - (y - low) / (high - low) * (self.bottom - self.top)


@dataclass(frozen=True)
class Bar:
    """A bar with its value written behind it."""

    colour: str
    y: float
    width: float
    thickness: float
    text: str


@dataclass(frozen=True)
class BarGroup:
    """A label and its bars, one for each series."""

    label: str
    full_label: str
    middle: float
    bars: Sequence[Bar]


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars from zero, as many as series, after each label.

    NaN has the word `missing` instead of a bar. The series named `reference` is grey.
    """

    kind: ClassVar[str] = "bars"
    width: ClassVar[float] = WIDTH
    labels: Sequence[str]
    series: Mapping[str, Sequence[float]]
    format_value: Callable[[float], str]
    missing: str = "–"
    reference: str = ""

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The colour and name of each series; none for one, which the title names."""
        return list(zip(self._colours, self.series, strict=True)) if len(self.series) > 1 else []

    @property
    def height(self) -> float:
        """As many rows as labels."""
        return self._row * len(self.labels)

    @property
    def _row(self) -> float:
        """The height of a label's bars and the gap to the next one."""
        return GAP + max(20.0, 12.0 * len(self.series))

    @property
    def left(self) -> float:
        """Where the bars begin."""
        return 8.0 + max((_width(cut_label(label)) for label in self.labels), default=0.0)

    @property
    def groups(self) -> list[BarGroup]:
        """The bars, at their positions."""
        values = [v for line in self.series.values() for v in line if not math.isnan(v)]
        texts = [self.format_value(v) for v in values] + [self.missing]
        room = WIDTH - self.left - 8.0 - max(map(_width, texts))
        unit = room / (max(values, default=0.0) or 1.0)
        return [self._group(place, label, unit) for place, label in enumerate(self.labels)]

    def _group(self, place: int, label: str, unit: float) -> BarGroup:
        top, thickness = self._row * place + GAP / 2, (self._row - GAP) / len(self.series)
        bars = []
        for n, line in enumerate(self.series.values()):
            value = float(line[place])
            known = not math.isnan(value)
            width = max(0.0, unit * value) if known else 0.0
            text = self.format_value(value) if known else self.missing
            bars.append(Bar(self._colours[n], top + n * thickness, width, thickness - 1.0, text))
        return BarGroup(cut_label(label), label, self._row * (place + 0.5), bars)

    @property
    def _colours(self) -> list[str]:
        numbers = iter(range(len(self.series)))
        return ["reference" if n == self.reference else _colour(next(numbers)) for n in self.series]


def _width(text: str) -> float:
    """About how wide a text is; letters such as Chinese ones take the room of two others."""
    return LETTER * sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def cut_label(label: str) -> str:
    """The label as a chart has room for it."""
    if _width(label) <= LONGEST_LABEL * LETTER:
        return label
    while _width(label) > (LONGEST_LABEL - 1) * LETTER:
        label = label[:-1]
    return f"{label}…"


def _colour(place: int) -> str:
    return str(place % COLOURS)


def _number(x: X) -> float:
    return x.replace(tzinfo=UTC).timestamp() if isinstance(x, datetime) else float(x)
