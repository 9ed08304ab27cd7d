"""The leakage report: overlap of past and future, and new users and items."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pandas as pd
import pytest

from growthlab.data.event_log import EventLog
from growthlab.split.fold import Fold
from growthlab.split.given import Given
from growthlab.split.global_time import GlobalTime
from growthlab.split.leakage import leakage_report
from growthlab.split.leave_last_out import LeaveLastOut

# day of January 2025, user, item, type
EVENTS = [
    (1, "ann", "a", "purchase"),
    (2, "ann", "b", "view"),
    (4, "bob", "a", "purchase"),
    (6, "ann", "a", "purchase"),
    (7, "bob", "b", "message"),
    (10, "ann", "a", "purchase"),  # at the cutoff: future
    (10, "bob", "b", "purchase"),
    (11, "cat", "c", "purchase"),  # new user, new item
    (12, "ann", "c", "purchase"),
    (12, "bob", "a", "view"),
]


def log_of(events: list[tuple[int, str, str, str]]) -> EventLog:
    frame = pd.DataFrame(events, columns=["day", "user_id", "item_id", "event_type"])
    frame["timestamp"] = pd.to_datetime("2025-01-01") + pd.to_timedelta(
        frame.pop("day") - 1, unit="D"
    )
    return EventLog.from_frames(frame)


@pytest.fixture
def fold() -> Fold:
    return GlobalTime("2025-01-10", 4).folds(log_of(EVENTS))[0]


def test_the_report_of_a_global_cutoff_equals_the_counts_by_hand(fold: Fold) -> None:
    report = leakage_report(fold, ("view", "purchase"), ("purchase",))
    assert report == {
        "clean": True,
        "warning": None,
        "cutoff": "2025-01-10T00:00:00",
        "horizon_days": 4.0,
        "gap_days": 0.0,
        "newest_past_event": "2025-01-07T00:00:00",
        "newest_past_record": None,
        "oldest_future_event": "2025-01-10T00:00:00",
        "events_at_cutoff": 2,
        "users_tied_at_border": 0,
        "later_past_share": None,
        "untimed_columns": [],
        "past": {"events": 4, "users": 2, "items": 2},  # the message is no history
        "future": {"events": 4, "users": 3, "items": 3},
        "cold_users": {"count": 1, "share": 1 / 3},  # cat
        "cold_items": {"count": 1, "share": 1 / 3},  # c
        "repeats": {"count": 1, "share": 1 / 4},  # ann's a; bob never bought b before
    }


def test_the_report_is_json(fold: Fold) -> None:
    report = leakage_report(fold, ("view", "purchase"), ("purchase",))
    assert json.loads(json.dumps(report)) == report


def test_leave_last_out_warns_and_says_how_much_of_the_past_is_later() -> None:
    events = [(d, "ann", "a", "purchase") for d in (1, 2, 3)]
    events += [(d, "bob", "a", "purchase") for d in (5, 6, 7)]
    report = leakage_report(LeaveLastOut().folds(log_of(events))[0], ("purchase",), ("purchase",))
    assert report["clean"]
    assert "no common cutoff" in report["warning"]
    # past: ann's 1 and 2, bob's 5 and 6. Later than ann's target on day 3: 2 of 4; than bob's:
    # none. The mean is 1/4.
    assert report["later_past_share"] == pytest.approx(0.25)
    assert report["events_at_cutoff"] is None


def test_a_basket_split_between_past_and_future_is_counted_as_a_tie() -> None:
    events = [(1, "ann", "a", "purchase"), (2, "ann", "b", "purchase"), (2, "ann", "c", "purchase")]
    report = leakage_report(LeaveLastOut().folds(log_of(events))[0], ("purchase",), ("purchase",))
    assert report["users_tied_at_border"] == 1
    assert report["clean"]


def test_a_given_split_whose_past_goes_on_after_its_future_is_not_clean() -> None:
    events = log_of(EVENTS).to_pandas()
    events["split"] = ["test" if day == 4 else "train" for day in events["timestamp"].dt.day]
    events.loc[events["user_id"] == "bob", "split"] = ["test", "train", "train", "train"]
    report = leakage_report(
        Given(valid="none").folds(EventLog.from_frames(events))[0], ("purchase",), ("purchase",)
    )
    assert not report["clean"]


def test_a_fold_built_by_hand_with_a_leak_is_not_clean() -> None:
    log = log_of(EVENTS)
    cutoff = datetime(2025, 1, 10)
    leaking = Fold(log, log.where("timestamp >= TIMESTAMP '2025-01-10'"), cutoff=cutoff)
    assert not leakage_report(leaking, ("purchase",), ("purchase",))["clean"]


def test_positions_are_reported_as_numbers() -> None:
    frame = pd.DataFrame({"user_id": "u", "item_id": list("abcd"), "event_type": "purchase"})
    fold = LeaveLastOut().folds(EventLog.from_frames(frame.assign(position=range(4))))[0]
    report = leakage_report(fold, ("purchase",), ("purchase",))
    assert (report["newest_past_event"], report["oldest_future_event"]) == (2, 3)
    assert report["later_past_share"] is None
    assert json.dumps(report)


def test_events_recorded_late_show_in_the_report(shop_fold: Fold) -> None:
    report = leakage_report(shop_fold, ("view", "purchase"), ("purchase",))
    assert report["clean"]
    assert report["newest_past_event"] <= report["newest_past_record"] < report["cutoff"]
    assert 0 < report["cold_users"]["share"] < 0.5
    assert 0 < report["repeats"]["share"] < 1


def test_a_future_without_targets_has_no_shares() -> None:
    fold = GlobalTime("2025-01-10", 4).folds(log_of(EVENTS))[0]
    report = leakage_report(fold, ("purchase",), ("favourite",))
    assert report["cold_users"] == {"count": 0, "share": None}
    assert report["future"] == {"events": 0, "users": 0, "items": 0}


def test_columns_of_tables_without_times_are_named(fold: Fold) -> None:
    users = pd.DataFrame({"user_id": ["ann"], "tier": ["gold"]})
    report = leakage_report(
        replace(fold, past=fold.past.with_tables(None, users)),
        ("purchase",),
        ("purchase",),
        ("users.tier", "items.text"),
    )
    assert report["untimed_columns"] == ["users.tier"]
