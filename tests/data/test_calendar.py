"""The shop's calendar: days of a zone also where clocks are changed, weeks from any day."""

from __future__ import annotations

from datetime import datetime

import duckdb
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError
from growthlab.data.as_of import in_calendar, past_in_calendar
from growthlab.data.calendar import WEEKDAYS, Calendar
from growthlab.data.event_log import EventLog

ANGELES = Calendar("America/Los_Angeles")


def log_of(*times: str, **columns: list[object]) -> EventLog:
    """A purchase at each of the times in UTC."""
    events = pd.DataFrame({"user_id": "ann", "event_type": "purchase", "timestamp": times})
    return EventLog.from_frames(events.assign(**columns))


def times_of(log: EventLog, column: str = "timestamp") -> list[str]:
    return log.query(f"SELECT {column}::VARCHAR AS t FROM events ORDER BY ALL")["t"].tolist()


def test_moments_are_what_the_clock_shows() -> None:
    assert ANGELES.local(datetime(2025, 7, 1, 6, 30)) == datetime(2025, 6, 30, 23, 30)
    assert ANGELES.utc(datetime(2025, 7, 1)) == datetime(2025, 7, 1, 7)  # summer time
    assert ANGELES.utc(datetime(2025, 1, 1)) == datetime(2025, 1, 1, 8)
    assert ANGELES.parse("2025-07-01", "as_of") == datetime(2025, 7, 1, 7)
    assert ANGELES.parse("2025-07-01T00:00+00:00", "as_of") == datetime(2025, 7, 1)


def test_days_of_23_and_25_hours_have_their_events() -> None:
    # clocks go forward on 9 March 2025 at 10:00 UTC, and back on 2 November at 09:00 UTC
    spring = in_calendar(log_of("2025-03-09 09:59", "2025-03-09 10:00"), ANGELES)
    assert times_of(spring) == ["2025-03-09 01:59:00", "2025-03-09 03:00:00"]
    hours = ["2025-11-02 07:30", "2025-11-02 08:30", "2025-11-02 09:30", "2025-11-03 07:30"]
    autumn = in_calendar(log_of(*hours), ANGELES)
    assert times_of(autumn, "timestamp::TIME") == ["00:30:00", "01:30:00", "01:30:00", "23:30:00"]
    assert times_of(autumn, "timestamp::DATE") == ["2025-11-02"] * 4


def test_a_midnight_that_never_was_is_the_first_moment_after_it() -> None:
    # in Sao Paulo clocks went from 23:59 on 3 November 2018 to 01:00
    assert Calendar("America/Sao_Paulo").utc(datetime(2018, 11, 4)) == datetime(2018, 11, 4, 3)


def test_all_times_of_a_log_are_those_of_its_calendar() -> None:
    items = pd.DataFrame({"item_id": ["tea"], "available_from": ["2025-07-01"]})
    late = {"item_id": ["tea"], "ingested_at": ["2025-07-02"], "cancelled_at": ["2025-07-03"]}
    events = pd.DataFrame({"user_id": ["ann"], "event_type": "purchase", "timestamp": "2025-07-01"})
    log = in_calendar(EventLog.from_frames(events.assign(**late), items), ANGELES)
    assert times_of(log, "ingested_at") == ["2025-07-01 17:00:00"]
    assert times_of(log, "cancelled_at") == ["2025-07-02 17:00:00"]
    assert log.items is not None
    assert log.items["available_from"].tolist() == [pd.Timestamp("2025-06-30 17:00")]
    assert log.where("true").calendar == ANGELES
    assert in_calendar(log, ANGELES) is log


def test_the_past_ends_with_the_day_of_the_shop() -> None:
    # 23:30 on 30 June in Los Angeles is 1 July in UTC
    past, end = past_in_calendar(log_of("2025-06-30 12:00", "2025-07-01 06:30"), None, ANGELES)
    assert (past.n_events, end) == (2, datetime(2025, 7, 1))


def test_what_is_sent_to_customers_does_not_end_the_past_later() -> None:
    kinds: list[object] = ["purchase", "message"]
    log = log_of("2025-06-30 12:00", "2025-08-01 12:00", event_type=kinds)
    assert past_in_calendar(log, None)[1] == datetime(2025, 7, 1)


@pytest.mark.parametrize("first", WEEKDAYS)
def test_sql_and_pandas_agree_on_weeks(first: str) -> None:
    calendar = Calendar(week_start=first)
    days = pd.Series(pd.date_range("2024-12-20", periods=30, unit="us"))
    sql = f"SELECT {calendar.period_start('week', 'day')} AS start FROM days ORDER BY day"
    by_sql = duckdb.sql(sql.replace("days", "(SELECT unnest($1) AS day)"), params=[days.tolist()])
    starts = calendar.start_of(days, "week")
    assert by_sql.df()["start"].tolist() == starts.tolist()
    assert set(starts.dt.day_name().str.lower()) == {first}
    steps = pd.date_range(starts.iloc[0], starts.iloc[-1], freq=calendar.step("week"))
    assert steps.tolist() == starts.unique().tolist()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"timezone": "Los_Angeles"},
            "report.timezone 'Los_Angeles' is not known: give a name such",
        ),
        ({"timezone": "../etc"}, "report.timezone '../etc' is not known"),
        ({"timezone": ""}, "report.timezone '' is not known"),
        ({"week_start": "sundy"}, "report.week_start=sundy: did you mean sunday"),
        ({"week_start": "7"}, "report.week_start=7: possible"),
    ],
)
def test_zones_and_days_are_checked(settings: dict[str, str], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        Calendar(**settings)
