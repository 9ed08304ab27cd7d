"""What recent months will still lose to cancellations and returns, worked out by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import pytest
from tests.insight.conftest import sections

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.later_losses import later_losses, losses_by_purchase
from growthlab.insight.report.growth_report import build_report
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.sales import Sales

LATE = {1: 6, 2: 2, 3: 4, 4: 3}  # returns of a month that come in the middle of the next one


def shop(months: int = 6, **more: Any) -> EventLog:
    """100 customers buy for 10 on the 5th of each month; 20 return on the 25th, some in the next month."""
    rows = []
    for month in range(1, months + 1):
        start = pd.Timestamp(2025, month, 1)
        late = LATE.get(month, 0)
        for n in range(100):
            line = {"user_id": f"u{n}", "item_id": f"{month}", "unit_price": 10.0}
            rows.append(
                {**line, "event_type": "purchase", "timestamp": start + pd.Timedelta(days=4)}
            )
            days = 24 if n < 20 else 40 if n < 20 + 10 * late else None
            if days is not None:
                at = start + pd.Timedelta(days=days)
                rows.append({**line, "event_type": "return", "timestamp": at, **more})
    return EventLog.from_frames(pd.DataFrame(rows))


def scope_of(log: EventLog, as_of: str) -> ReportScope:
    return ReportScope.of(log, as_of=as_of, min_group=10, burn_in_days=0)


def test_the_last_month_is_told_what_earlier_ones_lost_later() -> None:
    # at the end of June all of May's is known, and of June what came within the month
    table = Sales(settled_days=15, min_settled=3).find(scope_of(shop(), "2025-07-01")).tables[1]
    (row,) = table.rows.to_dict("records")
    assert row["period"] == pd.Timestamp("2025-06-01")
    assert (row["gmv"], row["lost"], row["customers"]) == (1000, 200, 20)
    # January is not whole; February to May lost 200, 400, 300 and 0 of 1000 each after their end
    assert (row["to_come"], row["least"], row["most"]) == pytest.approx((225, 0, 400))
    assert row["lost_share"] == pytest.approx(0.425)
    assert (row["first_month"], row["last_month"]) == (
        pd.Timestamp("2025-02-01"),
        pd.Timestamp("2025-05-01"),
    )
    assert (row["periods"], row["customers_later"]) == (4, 40)


def test_what_has_come_by_now_is_no_longer_to_come() -> None:
    # 20 days after the end of April the returns of the 10th day are all there
    found = Sales(settled_days=25, min_settled=2).find(scope_of(shop(4), "2025-05-21"))
    (row,) = found.tables[1].rows.to_dict("records")
    assert (row["lost"], row["to_come"]) == (200 + 300, 0)


def test_cancellations_count_when_they_became_known() -> None:
    periods = pd.DataFrame(
        {
            "period": pd.to_datetime(["2025-01-01", "2025-02-01"]),
            "end": pd.to_datetime(["2025-02-01", "2025-03-01"]),
            "gmv": [200.0, 100.0],
            "buyers": [20, 10],
        }
    )
    events = pd.DataFrame(
        {
            "user_id": ["ann", "bob"],
            "event_type": "purchase",
            "timestamp": "2025-01-20",
            "unit_price": [10.0, 20.0],
            "cancelled_at": ["2025-01-30", "2025-02-03"],
        }
    )
    losses = losses_by_purchase(EventLog.from_frames(events), "month")
    assert sorted(losses["value"]) == [10.0, 20.0]
    as_of = datetime(2025, 3, 2)
    rows = later_losses(periods, losses, as_of, settled_days=20, min_settled=1)
    # 20 of 200 came on the third day after the end of January: 10 of the 100 of February will
    assert rows["to_come"].tolist() == [10.0]
    later = later_losses(periods, losses, datetime(2025, 3, 5), settled_days=20, min_settled=1)
    assert later["to_come"].tolist() == [0.0]


def test_a_return_is_of_the_newest_purchase_before_it() -> None:
    rows = [
        ("ann", "purchase", "2025-01-05", "tea"),
        ("ann", "purchase", "2025-02-05", "tea"),
        ("ann", "return", "2025-02-20", "tea"),
        ("ann", "return", "2025-02-20", "cup"),  # bought before the log
        ("bob", "purchase", "2025-03-05", "tea"),
        ("bob", "return", "2025-03-01", "tea"),
    ]
    events = pd.DataFrame(rows, columns=["user_id", "event_type", "timestamp", "item_id"])
    log = EventLog.from_frames(events.assign(unit_price=3.0))
    losses = losses_by_purchase(log, "month")
    assert losses[["period", "value"]].to_numpy().tolist() == [[pd.Timestamp("2025-02-01"), 3.0]]


def test_a_return_that_was_recorded_late_was_not_known_before() -> None:
    log = shop(2, ingested_at="2025-06-01")
    assert set(losses_by_purchase(log, "month")["known_at"]) == {pd.Timestamp("2025-06-01")}


def test_with_too_little_past_nothing_is_said_but_that() -> None:
    found = Sales().find(scope_of(shop(3), "2025-04-01"))
    assert [table.name for table in found.tables] == ["sales"]
    assert found.notes == (
        "What the last months will still lose to cancellations and returns is not said: it takes 3 whole "
        "months with sales that were over by 2025-01-31.",
    )


def test_a_shop_without_cancellations_and_returns_has_nothing_to_come() -> None:
    log = shop().where("event_type = 'purchase'")
    found = Sales().find(scope_of(log, "2025-07-01"))
    assert ([table.name for table in found.tables], found.notes) == (["sales"], ())


def test_what_few_customers_sent_back_is_withheld() -> None:
    few = shop().where("event_type = 'purchase' OR user_id IN ('u1', 'u2', 'u30')")
    section = {"sales": Sales(settled_days=15, min_settled=3)}
    rows = build_report("shop", scope_of(few, "2025-07-01"), section).tables["later_losses"]
    assert (
        rows[["lost", "to_come", "least", "most", "customers", "customers_later"]]
        .isna()
        .all(axis=None)
    )
    assert rows["gmv"].tolist() == [1000]


def test_the_shop_of_the_tests_says_what_is_to_come(shop: EventLog) -> None:
    report = build_report("shop", ReportScope.of(shop, min_group=10), sections("sales"))
    assert "What the last months will still lose" in report.as_html()  # 120 days are too few


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"settled_days": 0}, "settled_days must be positive, got 0"),
        ({"min_settled": 0}, "min_settled must be 1 or more, got 0"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        Sales(**settings)
