"""Charts of intervals and of points: positions follow the values, and neither axis has to begin at zero."""

from __future__ import annotations

import itertools
import math

import pytest

from growthlab.pages.interval_chart import Interval, IntervalChart
from growthlab.pages.scatter_chart import LINE, NamedPoint, ScatterChart


def test_intervals_lie_around_the_line_that_they_are_compared_with() -> None:
    chart = IntervalChart(
        [Interval("better", 0.2, 0.1, 0.3, stands_out=True), Interval("unknown", math.nan)],
        str,
        zero=0.0,
        band=(-0.05, 9.0),
    )
    (row,) = chart.rows  # one without a value has none
    zero, ends, band = chart.line_of_zero, row.ends, chart.shaded
    assert zero is not None
    assert ends is not None
    assert band is not None
    assert zero < ends[0] < row.x < ends[1] < chart.right
    assert row.x - ends[0] == pytest.approx(ends[1] - row.x)  # 0.2 is the middle of 0.1 and 0.3
    assert band[0] >= chart.left  # cut at the edges of the chart
    assert band[0] + band[1] == pytest.approx(chart.right)


def test_a_chart_of_equal_values_has_an_axis() -> None:
    chart = IntervalChart([Interval("a", 0.5), Interval("b", 0.5)], str)
    assert {row.ends for row in chart.rows} == {None}
    assert len(chart.x_ticks) > 1


def test_labels_of_near_points_are_not_written_over_each_other() -> None:
    points = [NamedPoint(name, 1.0 + n / 1000, 2.0, n == 0) for n, name in enumerate("abc")]
    chart = ScatterChart(
        [*points, NamedPoint("far", 9.0, 5.0), NamedPoint("gone", math.nan, 1.0)], str, str
    )
    places = {p.label: p for p in chart.placed}
    assert set(places) == {"a", "b", "c", "far"}
    heights = sorted(places[name].label_y for name in "abc")
    assert min(b - a for a, b in itertools.pairwise(heights)) >= LINE
    assert places["far"].anchor == "end"  # there is no room behind it
    assert places["far"].y < places["a"].y  # higher values are higher
