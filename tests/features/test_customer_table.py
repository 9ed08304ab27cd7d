"""The customer table: worked by hand, and blind to everything from the snapshot on."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growthlab.core.errors import DataError
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import BEHAVIOURS
from growthlab.features.customer_table import WINDOWS, FeatureFamilies, customer_table
from growthlab.split.fold import Fold

SNAPSHOT = datetime(2025, 6, 1)


def ago(**span: float) -> datetime:
    return SNAPSHOT - timedelta(**span)


def log_of(rows: list[dict[str, object]], **tables: pd.DataFrame) -> EventLog:
    return EventLog.from_frames(pd.DataFrame(rows), **tables)


def event(kind: str, days: float, item: str, **more: object) -> dict[str, object]:
    """One of Ann's events, so many days before the snapshot."""
    row = {"user_id": "ann", "event_type": kind, "timestamp": ago(days=days), "item_id": item}
    return {**row, **more}


def ann() -> list[dict[str, object]]:
    """Three orders: of two lines 100 days ago, of one 20 and 10 days ago; and some browsing."""
    return [
        event("purchase", 100, "a", order_id="1", quantity=2, unit_price=5.0, channel="web"),
        event("purchase", 100, "b", order_id="1", quantity=1, unit_price=2.0, channel="web"),
        event("purchase", 20, "a", order_id="2", quantity=1, unit_price=6.0, channel="web"),
        event("purchase", 10, "c", order_id="3", quantity=4, unit_price=3.0, channel="app"),
        event("return", 5, "c", quantity=2, unit_price=3.0),
        event("view", 3, "c"),
        event("view", 40, "c"),
    ]


def equal(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


def test_features_of_one_customer_worked_by_hand() -> None:
    items = pd.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "x", "y"]})
    row = customer_table(log_of(ann(), items=items), SNAPSHOT, ["ann"]).iloc[0]
    expected = {
        "days_since_last": 10,
        "tenure_days": 100,
        "orders": 3,
        "orders_7d": 0,
        "orders_30d": 2,
        "orders_90d": 2,
        "orders_180d": 3,
        "spend": 30,  # 12 + 6 + 12
        "spend_30d": 18,
        "orders_trend": 1,  # two in the last 30 days, none in the 30 before
        "basket_value": 10,
        "basket_units": 8 / 3,
        "basket_items": 4 / 3,
        "last_day_spend": 12,
        "gap_mean": 45,  # gaps of 80 and 10 days
        "gap_sd": 35 * 2**0.5,
        "gap_ratio": 10 / 45,
        "frequency": 2,
        "recency": 90,
        "T": 100,
        "monetary_value": 9,
        "days_since_event": 3,
        "views_7d": 1,
        "views_90d": 2,
        "returns_90d": 1,
        "return_rate": 2 / 8,
        "distinct_items": 3,
        "repeat_item_share": 1 / 3,  # only item a on two days
        # item-days: a 2, b 1 of x; c 1 of y
        "category_entropy": -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)),
    }
    assert row[list(expected)].to_dict() == pytest.approx(expected, rel=1e-6)
    assert row["channel"] == "web"


def test_rows_are_in_the_requested_order_and_an_unknown_customer_did_nothing() -> None:
    table = customer_table(log_of(ann()), SNAPSHOT, ["nobody", "ann"])
    assert table["orders"].tolist() == [0, 3]
    assert table["spend_365d"].tolist() == [0, 30]
    assert np.isnan(table["days_since_last"][0])
    assert np.isnan(table["frequency"][0])


def test_all_columns_are_float64_but_for_the_channel(shop: EventLog, shop_fold: Fold) -> None:
    assert shop_fold.cutoff is not None
    users = shop.query("SELECT DISTINCT user_id FROM events")["user_id"]
    kinds = customer_table(shop, shop_fold.cutoff, users).dtypes
    assert isinstance(kinds.pop("channel"), pd.CategoricalDtype)
    assert set(kinds) == {np.dtype(np.float64)}


def test_every_behaviour_is_counted_in_every_window(shop: EventLog, shop_fold: Fold) -> None:
    assert shop_fold.cutoff is not None
    columns = customer_table(shop, shop_fold.cutoff, ["x"]).columns
    names = (*BEHAVIOURS.values(), "orders", "spend", "sessions")
    assert {f"{n}_{w}d" for n in names for w in WINDOWS} <= set(columns)
    assert not [c for c in columns if "message" in c or "click" in c or "impression" in c]


def test_deleting_all_later_events_leaves_the_features_identical(
    shop: EventLog, shop_fold: Fold
) -> None:
    cutoff = shop_fold.cutoff
    assert cutoff is not None
    users = shop.query("SELECT DISTINCT user_id FROM events ORDER BY 1")["user_id"]
    past = shop.where(f"timestamp < TIMESTAMP '{cutoff}'")
    equal(customer_table(shop, cutoff, users), customer_table(past, cutoff, users))


@cache
def clean() -> pd.DataFrame:
    """The features of Ann, and of Bob who did nothing."""
    return customer_table(log_of(ann()), SNAPSHOT, ["ann", "bob"])


FUTURE = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(EVENT_TYPES),
        st.integers(0, 400 * 24 * 3600),
        st.sampled_from(["a", "z"]),
        st.floats(0.01, 1e6),
    ),
    max_size=8,
)


@settings(max_examples=20, deadline=None)
@given(planted=FUTURE)
def test_no_planted_future_event_moves_a_feature(
    planted: list[tuple[str, str, int, str, float]],
) -> None:
    future = [
        {"user_id": user, "event_type": kind, "timestamp": SNAPSHOT + timedelta(seconds=after),
         "item_id": item, "unit_price": price, "session_id": "s", "rating": 1.0, "discount": 0.5}
        for user, kind, after, item, price in planted
    ]  # fmt: skip
    equal(customer_table(log_of(ann() + future), SNAPSHOT, ["ann", "bob"]), clean())


@settings(max_examples=10, deadline=None)
@given(late=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=5))
def test_no_event_moves_a_feature_before_it_is_taken_in(late: list[tuple[int, int]]) -> None:
    known = [{**row, "ingested_at": row["timestamp"]} for row in ann()]
    unknown = [
        {
            **ann()[0],
            "timestamp": ago(days=happened),
            "ingested_at": SNAPSHOT + timedelta(days=after),
        }
        for happened, after in late
    ]
    equal(customer_table(log_of(known + unknown), SNAPSHOT, ["ann", "bob"]), clean())


def test_the_order_of_rows_means_nothing(shop: EventLog, shop_fold: Fold) -> None:
    assert shop_fold.cutoff is not None
    users = shop.query("SELECT DISTINCT user_id FROM events ORDER BY 1")["user_id"].to_numpy()
    events = shop.to_pandas().sample(frac=1, random_state=0)
    shuffled = EventLog.from_frames(events, items=shop.items)
    backwards = customer_table(shuffled, shop_fold.cutoff, users[::-1])
    straight = customer_table(shop, shop_fold.cutoff, users)
    pd.testing.assert_frame_equal(
        backwards.iloc[::-1].reset_index(drop=True), straight, check_exact=True
    )


def test_moving_everything_by_whole_weeks_changes_nothing() -> None:
    weeks = timedelta(weeks=9)
    moved = [{**row, "timestamp": row["timestamp"] + weeks} for row in ann()]  # type: ignore[operator]
    there = customer_table(log_of(moved), SNAPSHOT + weeks, ["ann"])
    equal(there, customer_table(log_of(ann()), SNAPSHOT, ["ann"]))


def test_a_log_without_prices_or_browsing_lacks_those_columns() -> None:
    rows = [{"user_id": "ann", "event_type": "purchase", "timestamp": ago(days=1)}]
    columns = customer_table(log_of(rows), SNAPSHOT, ["ann"]).columns
    assert not [c for c in columns if c.startswith(("spend", "basket_value", "views", "channel"))]
    assert {"orders_30d", "frequency"} <= set(columns)


def test_families_hold_the_columns_of_an_earlier_snapshot_still() -> None:
    families = FeatureFamilies.of(log_of(ann()), SNAPSHOT)
    earlier = customer_table(log_of(ann()), ago(days=50), ["ann"], families=families)
    assert earlier["views_365d"].tolist() == [0]
    now = customer_table(log_of(ann()), SNAPSHOT, ["ann"], families=families)
    assert earlier.columns.tolist() == now.columns.tolist()


def test_sensitive_attributes_come_only_when_named() -> None:
    users = pd.DataFrame({"user_id": ["ann"], "gender": ["female"], "age": [33]})
    log = log_of(ann(), users=users)
    assert not {"gender", "age"} & set(customer_table(log, SNAPSHOT, ["ann"]))
    named = customer_table(log, SNAPSHOT, ["ann"], attributes=["gender", "age"]).iloc[0]
    assert (named["gender"], named["age"]) == ("female", 33)


def test_an_unknown_attribute_is_refused_with_a_near_match() -> None:
    users = pd.DataFrame({"user_id": ["ann"], "gender": ["female"]})
    with pytest.raises(DataError, match="did you mean gender"):
        customer_table(log_of(ann(), users=users), SNAPSHOT, ["ann"], attributes=["gendre"])


def test_a_log_of_positions_has_no_customer_table() -> None:
    events = pd.DataFrame({"user_id": ["a"], "event_type": ["purchase"], "position": [1]})
    with pytest.raises(DataError, match="needs timestamp"):
        customer_table(EventLog.from_frames(events), SNAPSHOT, ["a"])
