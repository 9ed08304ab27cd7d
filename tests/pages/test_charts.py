"""Charts: marks of an axis, gaps, and bars in proportion."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.pages.charts import WIDTH, BarChart, LineChart
from growthlab.pages.ticks import date_ticks, number_ticks, whole_ticks

NAN = float("nan")


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6))
def test_marks_lie_in_the_range_at_equal_distances(low: float, span: float) -> None:
    ticks = number_ticks(low, low + span)
    assert 2 <= len(ticks) <= 7
    tolerance = 1e-6 * span
    assert low - tolerance <= ticks[0]
    assert ticks[-1] <= low + span + tolerance
    steps = [b - a for a, b in pairwise(ticks)]
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-3)


def test_whole_marks_are_whole() -> None:
    assert whole_ticks(0, 3) == [0, 1, 2, 3]
    assert whole_ticks(0, 20) == [0, 5, 10, 15, 20]


@pytest.mark.parametrize(
    ("days", "labels"),
    [
        (5, ["30 Dec 2024", "31 Dec", "1 Jan", "2 Jan", "3 Jan", "4 Jan"]),
        (20, ["30 Dec 2024", "6 Jan", "13 Jan"]),
        (150, ["2025", "Feb", "Mar", "Apr", "May"]),
        (1500, ["2025", "2026", "2027", "2028", "2029"]),
    ],
)
def test_marks_of_dates_are_days_months_or_years(days: int, labels: list[str]) -> None:
    first = datetime(2024, 12, 30)
    assert [label for _, label in date_ticks(first, first + timedelta(days=days))] == labels


def test_a_range_of_one_date_has_one_mark() -> None:
    assert len(date_ticks(datetime(2025, 5, 1), datetime(2025, 5, 1))) == 1


def test_a_line_has_a_gap_where_a_value_is_unknown() -> None:
    chart = LineChart({"a": [(0, 1.0), (1, 2.0), (2, NAN), (3, 4.0)]}, "{:g}".format)
    (drawing,) = chart.drawings
    assert drawing.path.count("M") == 2  # a point alone is a piece too
    assert len(drawing.dots) == 3
    assert drawing.dots[-1] == pytest.approx((chart.right, chart.bottom - 192 / 1.08 * 1.0), abs=12)


def test_the_y_axis_begins_at_zero_or_below_it() -> None:
    above = LineChart({"a": [(0, 5.0), (1, 10.0)]}, "{:g}".format)
    below = LineChart({"a": [(0, -5.0), (1, 10.0)]}, "{:g}".format)
    assert above.y_ticks[0].label == "0"
    assert above.y_ticks[0].position == pytest.approx(above.bottom)
    assert float(below.y_ticks[0].label) < 0


def test_lines_of_dates_are_drawn_by_their_dates() -> None:
    days = [datetime(2025, 1, 1), datetime(2025, 1, 2), datetime(2025, 1, 11)]
    (drawing,) = LineChart({"a": [(d, 1.0) for d in days]}, "{:g}".format).drawings
    (x0, _), (x1, _), (x2, _) = drawing.dots
    assert (x2 - x0) == pytest.approx(10 * (x1 - x0))


def test_bars_are_as_long_as_their_values_and_stay_on_the_drawing() -> None:
    chart = BarChart(["a", "b", "c"], {"n": [10.0, 5.0, NAN]}, "{:g}".format, missing="withheld")
    first, second, third = (group.bars[0] for group in chart.groups)
    assert first.width == pytest.approx(2 * second.width)
    assert third.width == 0
    assert (first.text, third.text) == ("10", "withheld")
    assert chart.left + first.width < WIDTH
    assert chart.legend == []


def test_the_reference_is_grey_and_the_other_series_keep_their_colours() -> None:
    chart = BarChart(["a"], {"then": [1.0], "now": [2.0]}, "{:g}".format, reference="then")
    assert chart.legend == [("reference", "then"), ("0", "now")]
    assert [bar.colour for bar in chart.groups[0].bars] == ["reference", "0"]


def test_bars_of_nothing_but_zeros_can_be_drawn() -> None:
    assert BarChart(["a"], {"n": [0.0]}, "{:g}".format).groups[0].bars[0].width == 0
