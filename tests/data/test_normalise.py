"""Local times to UTC, and amounts to one currency."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.core.errors import ConfigError
from growthlab.data.normalise import Currencies, to_utc


def local(*times: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(times))).dt.as_unit("us")


def test_an_hour_that_occurs_twice_is_taken_as_the_first() -> None:
    # British clocks went back from 2:00 to 1:00 on 27 October 2024: 1:30 was 0:30 UTC, then 1:30
    converted = to_utc(local("2024-10-27 01:30", "2024-10-27 02:30", None), "Europe/London")
    assert list(converted.times) == [
        pd.Timestamp("2024-10-27 00:30"),
        pd.Timestamp("2024-10-27 02:30"),
        pd.NaT,
    ]
    assert (converted.n_ambiguous, converted.n_nonexistent) == (1, 0)


def test_an_hour_that_is_skipped_is_taken_as_its_end() -> None:
    # they went forward from 1:00 to 2:00 on 31 March 2024, when it was 1:00 UTC
    converted = to_utc(local("2024-03-31 01:30", "2024-03-31 02:30"), "Europe/London")
    assert list(converted.times) == [
        pd.Timestamp("2024-03-31 01:00"),
        pd.Timestamp("2024-03-31 01:30"),
    ]
    assert (converted.n_ambiguous, converted.n_nonexistent) == (0, 1)


def test_times_with_a_zone_are_converted_by_it() -> None:
    aware = local("2024-07-01 12:00").dt.tz_localize("Asia/Tokyo")
    assert to_utc(aware, "Europe/London").times[0] == pd.Timestamp("2024-07-01 03:00")


@given(st.datetimes(pd.Timestamp("1980-01-01"), pd.Timestamp("2030-01-01")))
def test_there_and_back_is_the_same_moment(moment: pd.Timestamp) -> None:
    utc = pd.Series([pd.Timestamp(moment)]).dt.as_unit("us")
    there = utc.dt.tz_localize("UTC").dt.tz_convert("Europe/London").dt.tz_localize(None)
    back = to_utc(there, "Europe/London")
    late = (
        pd.Timedelta(hours=1) if back.n_ambiguous and back.times[0] != utc[0] else pd.Timedelta(0)
    )
    assert back.times[0] + late == utc[0]
    assert back.n_nonexistent == 0


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ConfigError, match="timezone 'Mars' is not known"):
        to_utc(local("2024-01-01"), "Mars")


def test_rates_are_positive() -> None:
    with pytest.raises(ConfigError, match="the rate of EUR must be positive, not 0"):
        Currencies({"EUR": 0})
