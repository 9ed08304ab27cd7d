"""A date or time of a setting: one clock for all, and one line for what is none."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from growthlab.core.errors import ConfigError
from growthlab.core.moments import parse_moment


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2025-06-01", datetime(2025, 6, 1)),
        (date(2025, 6, 1), datetime(2025, 6, 1)),
        ("2025-06-01T12:30:00", datetime(2025, 6, 1, 12, 30)),
        ("2025-06-01 12:30:00+08:00", datetime(2025, 6, 1, 4, 30)),  # Shanghai is 8 hours ahead
        ("2025-06-01T00:00:00Z", datetime(2025, 6, 1)),
    ],
)
def test_a_moment_is_naive_utc(given: object, moment: datetime) -> None:
    assert parse_moment(given, "as_of") == moment


@pytest.mark.parametrize("given", ["soon", "2025-13-01", "", "0001-01-01T00:00:00+08:00"])
def test_what_is_no_moment_is_one_line_with_the_name_of_the_setting(given: str) -> None:
    with pytest.raises(ConfigError, match="as_of must be a date or time like 2025-06-01, got"):
        parse_moment(given, "as_of")
