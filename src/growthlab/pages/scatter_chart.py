"""A chart of named points over two axes, neither of which has to begin at zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

from growthlab.pages.charts import LETTER, WIDTH, AxisTick, cut_label
from growthlab.pages.ticks import number_ticks

PAD = 0.08  # of the range, on both sides
LINE = 11.0  # height of a label


class NamedPoint(NamedTuple):
    """A point with its label; one that `stands_out` is darker."""

    label: str
    x: float
    y: float
    stands_out: bool = False


class PlacedPoint(NamedTuple):
    """A point at its position, and the position of its label."""

    label: str
    full_label: str
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str
    colour: str


@dataclass(frozen=True)
class ScatterChart:
    """Points with their labels; a point with NaN is left out."""

    kind: ClassVar[str] = "scatter"
    width: ClassVar[float] = WIDTH
    height: ClassVar[float] = 230.0
    top: ClassVar[float] = 8.0
    right: ClassVar[float] = WIDTH - 14.0
    bottom: ClassVar[float] = 196.0
    legend: ClassVar[tuple[tuple[str, str], ...]] = ()
    points: Sequence[NamedPoint]
    format_x: Callable[[float], str]
    format_y: Callable[[float], str]
    x_label: str = ""

    @cached_property
    def left(self) -> float:
        """Where the x axis begins; the y axis is written to the left of it."""
        texts = [self.format_y(value) for value in number_ticks(*self._y_range, 5)]
        return 10.0 + LETTER * max(map(len, texts), default=0)

    @property
    def x_ticks(self) -> list[AxisTick]:
        """The marks of the x axis."""
        return [AxisTick(self._x(v), self.format_x(v)) for v in number_ticks(*self._x_range, 4)]

    @property
    def y_ticks(self) -> list[AxisTick]:
        """The marks of the y axis."""
        return [AxisTick(self._y(v), self.format_y(v)) for v in number_ticks(*self._y_range, 5)]

    @property
    def placed(self) -> list[PlacedPoint]:
        """The points, and their labels where no other label is written."""
        taken: list[tuple[float, float, float]] = []  # left, right, y
        placed = []
        for each in sorted(self._known, key=lambda p: (not p.stands_out, -p.y, p.label)):
            x, y, text = self._x(each.x), self._y(each.y), cut_label(each.label)
            length = LETTER * len(text)
            before = x + 6.0 + length > self.right
            start = x - 6.0 - length if before else x + 6.0
            label_y = y + 3.5
            while any(
                a < start + length and start < b and abs(label_y - t) < LINE for a, b, t in taken
            ):
                label_y += LINE
            taken.append((start, start + length, label_y))
            anchor, label_x = ("end", x - 6.0) if before else ("start", x + 6.0)
            colour = "0" if each.stands_out else "other"
            placed.append(PlacedPoint(text, each.label, x, y, label_x, label_y, anchor, colour))
        return placed

    @cached_property
    def _known(self) -> list[NamedPoint]:
        return [p for p in self.points if not math.isnan(p.x + p.y)]

    @cached_property
    def _x_range(self) -> tuple[float, float]:
        return _range([p.x for p in self._known])

    @cached_property
    def _y_range(self) -> tuple[float, float]:
        return _range([p.y for p in self._known])

    def _x(self, value: float) -> float:
        low, high = self._x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def _y(self, value: float) -> float:
        low, high = self._y_range
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = PAD * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room
