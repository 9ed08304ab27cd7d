"""Growth and sales figures of a shop that can be counted by hand."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pytest
from tests.insight.conftest import END, START

from growthlab.data.calendar import Period
from growthlab.data.event_log import EventLog
from growthlab.insight.growth_figures import BEHIND, GROWTH_COLUMNS, growth_by_period


def months(log: EventLog, **settings: object) -> pd.DataFrame:
    """The months of the log, by the first day."""
    table = growth_by_period(log, "month", first_day=START, as_of=END, **settings)  # type: ignore[arg-type]
    return table.set_index(table["period"].dt.strftime("%b"))


@pytest.mark.parametrize(
    ("figure", "by_month"),
    [
        ("new_users", [2, 1, 1]),  # ann and bob; cat; dan
        ("active_users", [2, 2, 2]),  # ann bob; ann cat; ann dan
        ("buyers", [2, 1, 1]),  # cat's purchase was cancelled
        ("user_conversion", [1.0, 0.5, 0.5]),
        ("orders", [3, 1, 1]),  # o1 o4 o5; o2; o3
        ("gmv", [35.0, 20.0, 20.0]),  # 20 + 10 + 5; 5 + 15 cancelled; 20
        ("sales", [35.0, 5.0, 20.0]),
        ("net_sales", [35.0, -5.0, 20.0]),  # bob's cup of 10 came back in February
        ("average_order_value", [35 / 3, 5.0, 20.0]),
        ("arpu", [17.5, -2.5, 10.0]),  # net_sales / active_users
        ("returning_buyers", [0, 1, 1]),
        ("repeat_buyer_share", [0.0, 1.0, 1.0]),
        # January: ann and bob one day each; February: ann 1, cat 2; March: ann 2, dan 2
        ("mean_daily_active", [2 / 31, 3 / 28, 4 / 31]),
        ("activity_day_ratio", [1 / 31, 1.5 / 28, 2 / 31]),
    ],
)
def test_monthly_figures_worked_by_hand(tiny: EventLog, figure: str, by_month: list[float]) -> None:
    assert months(tiny)[figure].tolist() == pytest.approx(by_month)


def test_every_figure_has_a_definition_and_the_customers_behind_it() -> None:
    assert [*GROWTH_COLUMNS, *BEHIND] == list(growth_columns())
    for name, column in GROWTH_COLUMNS.items():
        assert column.definition
        assert bool(column.group_counts) == (name not in ("period", "complete"))


def growth_columns() -> list[str]:
    """The columns of a growth table."""
    log = EventLog.from_frames(
        pd.DataFrame({"user_id": ["a"], "event_type": ["purchase"], "timestamp": [START]})
    )
    return list(growth_by_period(log, "day", first_day=START, as_of=datetime(2025, 1, 2)))


def test_the_retention_of_the_strategy_paper_is_daily_over_monthly_active_users() -> None:
    # three users, ten days, active on 4, 1 and 6 of them: 11/30 = mean DAU 1.1 / 3
    days = {"a": [1, 2, 3, 4], "b": [5], "c": [1, 3, 5, 7, 9, 10]}
    rows = [(u, f"2025-06-{d:02d}", "view") for u, ds in days.items() for d in ds]
    log = EventLog.from_frames(pd.DataFrame(rows, columns=["user_id", "timestamp", "event_type"]))
    table = growth_by_period(
        log, "month", first_day=datetime(2025, 6, 1), as_of=datetime(2025, 6, 11)
    )
    assert table["activity_day_ratio"].tolist() == pytest.approx([0.366667], abs=1e-6)
    assert table["mean_daily_active"].tolist() == pytest.approx([1.1])
    assert table["complete"].tolist() == [False]  # June is not over


def test_a_period_without_any_event_has_a_row_of_zeros(tiny: EventLog) -> None:
    days = growth_by_period(tiny, "day", first_day=START, as_of=END).set_index("period")
    assert len(days) == 90
    quiet = days.loc["2025-01-03"]
    assert quiet["active_users"] == 0
    assert quiet["gmv"] == 0
    assert pd.isna(quiet["user_conversion"])


def test_weeks_begin_on_monday_and_half_weeks_are_not_complete(tiny: EventLog) -> None:
    weeks = growth_by_period(tiny, "week", first_day=START, as_of=END)
    assert (weeks["period"].dt.day_of_week == 0).all()
    assert weeks["period"].iloc[0] == pd.Timestamp("2024-12-30")  # 1 January was a Wednesday
    assert weeks["complete"].tolist() == [False, *[True] * 12, False]  # 31 March is a Monday


def test_no_customer_is_new_in_the_burn_in(tiny: EventLog) -> None:
    table = months(tiny, burn_in_end=datetime(2025, 1, 15))
    assert table["new_users"].isna().tolist() == [True, False, False]


def test_only_the_named_events_make_a_customer_active(tiny: EventLog) -> None:
    table = months(tiny, active_events=("purchase",))
    assert table["active_users"].tolist() == [2, 2, 1]  # cat's cancelled purchase was an event
    assert table["new_users"].tolist() == [2, 1, 0]


def test_without_prices_there_is_no_money() -> None:
    events = pd.DataFrame({"user_id": ["a"], "event_type": ["purchase"], "timestamp": [START]})
    log = EventLog.from_frames(events)
    table = growth_by_period(log, "month", first_day=START, as_of=END)
    assert table["orders"].tolist() == [1, 0, 0]
    assert table[["gmv", "net_sales", "arpu"]].isna().all().all()


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_sums_over_periods_are_those_of_the_log(tiny: EventLog, period: Period) -> None:
    table = growth_by_period(tiny, period, first_day=START, as_of=END)
    assert table["gmv"].sum() == 75.0
    assert table["new_users"].sum() == 4
    assert table["orders"].sum() == 5
