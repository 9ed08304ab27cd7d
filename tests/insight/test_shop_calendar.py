"""A shop in Los Angeles: its months, weeks and days are those of its books."""

from __future__ import annotations

from datetime import datetime

import duckdb
import numpy as np
import pandas as pd
import pytest

from growthlab.config.compose import compose
from growthlab.core.errors import ConfigError
from growthlab.data.as_of import past_in_calendar
from growthlab.data.calendar import Calendar, Period
from growthlab.data.event_log import EventLog
from growthlab.features.portrait.portrait import Portrait
from growthlab.insight.growth_figures import growth_in_scope
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.growth import Growth
from growthlab.insight.sections.retention import Retention
from growthlab.workbench.set_up import event_source, shop_calendar

ANGELES = Calendar("America/Los_Angeles", "sunday")
LOCAL = "timezone('America/Los_Angeles', timezone('UTC', timestamp))"  # DuckDB's own, by ICU


def orders() -> pd.DataFrame:
    """An order an hour from January to November 2025, most of them in the evening, by 40 customers."""
    rng = np.random.default_rng(3)
    hours = pd.date_range("2025-01-01 08:00", "2025-11-30 07:00", freq="h")  # midnight to midnight
    kept = hours[rng.random(len(hours)) < 0.3]
    return pd.DataFrame(
        {
            "user_id": [f"u{n}" for n in rng.integers(40, size=len(kept))],
            "event_type": "purchase",
            "timestamp": kept,
            "unit_price": rng.integers(100, 9_000, size=len(kept)) / 100,
        }
    )


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    """The orders of the shop."""
    return orders()


@pytest.fixture(scope="module")
def scope(events: pd.DataFrame) -> ReportScope:
    """The terms of a report on the shop, by its calendar."""
    log = EventLog.from_frames(events, name="angeles")
    return ReportScope.of(log, min_group=10, burn_in_days=0, calendar=ANGELES)


def test_the_report_begins_and_ends_at_midnight_in_the_shop(scope: ReportScope) -> None:
    assert (scope.first_day, scope.as_of) == (datetime(2025, 1, 1), datetime(2025, 11, 30))


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_every_period_is_that_of_the_books(
    scope: ReportScope, events: pd.DataFrame, period: Period
) -> None:
    # a week of the books begins on Sunday: a day later it would begin on Monday
    day = {"week": "(date_trunc('week', {} + INTERVAL 1 DAY) - INTERVAL 1 DAY)"}
    start = day.get(period, f"date_trunc('{period}', {{}})").format(LOCAL)
    books = duckdb.sql(
        f"SELECT {start}::TIMESTAMP AS period, sum(unit_price) AS sales, count(*) AS orders, "
        f"count(DISTINCT user_id) AS buyers FROM events GROUP BY 1 ORDER BY 1"
    ).df()
    ours = growth_in_scope(scope, period)
    ours = ours[ours["orders"] > 0].reset_index(drop=True)
    assert ours["period"].tolist() == books["period"].tolist()
    for figure in ("sales", "orders", "buyers"):
        np.testing.assert_allclose(ours[figure], books[figure], err_msg=figure)


def test_in_utc_its_months_would_be_others(scope: ReportScope, events: pd.DataFrame) -> None:
    elsewhere = ReportScope.of(EventLog.from_frames(events), min_group=10, burn_in_days=0)
    ours, others = (growth_in_scope(each, "month") for each in (scope, elsewhere))
    assert not np.allclose(ours["sales"], others["sales"].head(len(ours)))


def test_days_on_which_clocks_are_changed_are_days(scope: ReportScope) -> None:
    days = growth_in_scope(scope, "day").set_index("period")
    assert days.index.is_unique
    assert len(days) == 333  # 334 days until 30 November, which is not over
    assert days["complete"].all()
    assert {"2025-03-09", "2025-11-02"} <= set(days.index.strftime("%Y-%m-%d"))


def test_weeks_and_cohorts_of_the_report_begin_on_sunday(scope: ReportScope) -> None:
    weeks = {t.name: t for t in Growth().find(scope).tables}["growth_by_week"].rows
    assert set(weeks["period"].dt.day_name()) == {"Sunday"}
    assert weeks["complete"].tolist() == [False, *[True] * 47]  # 30 November is a Sunday
    cohorts = Retention(period="week").find(scope).tables[1].rows
    assert set(cohorts["cohort"].dt.day_name()) == {"Sunday"}
    assert cohorts["since"].max() == 46  # the first week began before the log


@pytest.mark.parametrize(
    ("words", "zone"),
    [
        ([], "UTC"),
        (["data.timezone=Asia/Tokyo"], "Asia/Tokyo"),
        (
            ["data.timezone=Asia/Tokyo", "report.timezone=America/Los_Angeles"],
            "America/Los_Angeles",
        ),
    ],
)
@pytest.mark.parametrize("command", ["describe", "segment", "portrait"])
def test_the_zone_is_that_of_the_data_unless_one_is_set(
    command: str, words: list[str], zone: str
) -> None:
    config = compose(command, ["data=tabular_file", "data.path=orders.csv", *words]).config
    assert shop_calendar(config, event_source(config)) == Calendar(zone)


def test_a_zone_of_the_data_that_there_is_not_is_not_said_to_be_one_of_the_report() -> None:
    config = compose("describe", ["data=tabular_file", "data.timezone=Mars"]).config
    with pytest.raises(ConfigError, match=r"^timezone 'Mars' is not known"):
        shop_calendar(config, event_source(config))


def test_hours_and_weekdays_of_the_portrait_are_those_of_the_shop() -> None:
    # three visits at 23:00 on Sunday in Los Angeles, which is Monday in UTC, and three on Monday
    times = pd.to_datetime(["2025-06-02 06:00", "2025-06-09 06:00", "2025-06-16 06:00"])
    times = times.append(times + pd.Timedelta(days=1))
    events = pd.DataFrame({"user_id": "ann", "event_type": "view", "timestamp": times})
    log = EventLog.from_frames(events)
    past, as_of = past_in_calendar(log, None, ANGELES)
    (row,) = Portrait().of(past, as_of).frame.to_dict("records")
    assert (row["preferred_hour"], row["preferred_weekday"]) == (23, "Sunday")
    assert row["weekend_share"] == 0.5
    monday_first, _ = past_in_calendar(log, None, Calendar("America/Los_Angeles"))
    (row,) = Portrait().of(monday_first, as_of).frame.to_dict("records")
    assert row["preferred_weekday"] == "Monday"  # the earlier of equals
