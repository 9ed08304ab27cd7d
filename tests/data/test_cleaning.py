"""Cleaning: each rule drops what it should, and reports all that it drops."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.cleaning import Cleaning
from growthlab.data.cleaning_report import cleaning_report_text
from growthlab.data.event_log import EventLog

OFF: dict[str, Any] = {
    "missing_users": False,
    "future_dates": False,
    "duplicates": False,
    "non_positive_quantities": False,
    "non_positive_prices": False,
}


def only(**rule: Any) -> Cleaning:
    return Cleaning(**{**OFF, **rule})


def bought(*rows: tuple[Any, ...], columns: str = "user_id item_id day quantity") -> EventLog:
    frame = pd.DataFrame(list(rows), columns=columns.split())
    frame["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.pop("day"), unit="D")
    if "event_type" not in frame:
        frame["event_type"] = "purchase"
    return EventLog.from_frames(frame)


def day(number: float) -> datetime:
    return datetime(2024, 1, 1) + timedelta(days=number)


def left(log: EventLog, *columns: str) -> list[tuple[Any, ...]]:
    return list(log.to_pandas()[list(columns)].itertuples(index=False, name=None))


def test_events_without_a_user_are_dropped() -> None:
    log = only(missing_users=True).apply(bought(("u", "a", 0, 1), (None, "a", 0, 1)))
    assert left(log, "user_id") == [("u",)]
    assert log.cleaning[0]["rule"] == "missing users"
    assert log.cleaning[0]["dropped_events"] == 1


def test_rows_that_are_equal_in_every_column_become_one() -> None:
    log = bought(("u", "a", 0, 1), ("u", "a", 0, 1), ("u", "a", 0, 2), ("u", "a", 1, 1))
    assert only(duplicates=True).apply(log).n_events == 3


def test_events_later_than_until_are_dropped() -> None:
    log = bought(("u", "a", 0, 1), ("u", "a", 2, 1), ("u", "a", 3, 1))
    cleaning = only(future_dates=True, until="2024-01-03")
    assert cleaning.apply(log).n_events == 2  # the moment itself is still believable
    aware = only(future_dates=True, until="2024-01-03T00:00+01:00")
    assert aware.apply(log).n_events == 1


def test_events_later_than_their_ingestion_or_than_now_are_dropped() -> None:
    times = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2924-01-01"])
    frame = pd.DataFrame({"user_id": "u", "event_type": "view", "timestamp": times})
    frame["ingested_at"] = pd.to_datetime(["2024-01-01", "2024-01-01", None, None])
    log = only(future_dates=True).apply(EventLog.from_frames(frame))
    assert [t.day for t in log.to_pandas()["timestamp"]] == [1, 3]


def test_non_goods_are_dropped_from_events_and_items() -> None:
    items = pd.DataFrame({"item_id": ["a", "POST", "POSTER", "GIFT_10"]})
    frame = pd.DataFrame({"user_id": "u", "item_id": ["a", "POST", "POSTER", "GIFT_10", None]})
    frame = frame.assign(event_type="view", timestamp="2024-01-01")
    log = only(non_goods=("POST", "GIFT.*")).apply(EventLog.from_frames(frame, items))
    assert set(log.to_pandas()["item_id"].dropna()) == {"a", "POSTER"}
    assert log.n_events == 3  # an event without an item is no event with postage
    assert log.items is not None
    assert list(log.items["item_id"]) == ["POSTER", "a"]
    assert log.query("SELECT count(*) AS n FROM items")["n"].item() == 2


def test_events_without_a_positive_quantity_and_price_are_dropped_and_unknown_ones_stay() -> None:
    rows = [("u", "a", 0, q, p) for q, p in ((1, 1), (0, 1), (-1, 1), (None, 1), (1, 0), (1, None))]
    log = bought(*rows, columns="user_id item_id day quantity unit_price")
    kept = only(non_positive_quantities=True, non_positive_prices=True).apply(log)
    assert [r["dropped_events"] for r in kept.cleaning] == [2, 1]
    assert kept.n_events == 3


def test_returns_may_have_negative_quantities() -> None:
    log = bought(
        ("u", "a", 0, 2, "purchase"),
        ("u", "a", 1, -1, "return"),
        columns="user_id item_id day quantity event_type",
    )
    assert Cleaning().apply(log).n_events == 2


def test_users_of_too_many_events_on_one_day_are_bots() -> None:
    busy = [("bot", "a", 0.1 * n, 1) for n in range(4)]
    steady = [("human", "a", n, 1) for n in range(9)]
    cleaning = only(bot_events_a_day=3)
    whole = cleaning.apply(bought(*busy, *steady))
    assert whole.n_users == 2  # no rule of a whole log, which would know the future
    log = cleaning.without_bots(whole)
    assert set(log.to_pandas()["user_id"]) == {"human"}
    assert log.cleaning[0]["users_before"] - log.cleaning[0]["users_after"] == 1


def test_who_becomes_busy_later_is_no_bot_yet() -> None:
    busy = [("late", "a", 5 + 0.1 * n, 1) for n in range(4)]
    log, cleaning = (
        bought(("late", "a", 1, 1), *busy, ("human", "a", 2, 1)),
        only(bot_events_a_day=3),
    )
    before, after = (cleaning.without_bots(log, day(d)) for d in (5, 6))
    assert before is log
    assert set(after.to_pandas()["user_id"]) == {"human"}


def test_a_log_of_bots_alone_is_refused() -> None:
    log = bought(*[("bot", "a", 0.1 * n, 1) for n in range(4)])
    with pytest.raises(
        DataError, match="no event of log is left without bots, who made more than 3"
    ):
        only(bot_events_a_day=3).without_bots(log)


def test_low_ratings_are_dropped_and_unrated_events_stay() -> None:
    rows = [("u", "a", 0, rating) for rating in (5, 4, 3, None)]
    log = bought(*rows, columns="user_id item_id day rating")
    assert only(min_rating=4).apply(log).n_events == 3


def test_rules_for_missing_columns_are_skipped() -> None:
    frame = pd.DataFrame({"user_id": ["u", "v"], "position": [0, 0], "event_type": "view"})
    log = Cleaning(min_rating=3, bot_events_a_day=1, non_goods=("a",)).apply(
        EventLog.from_frames(frame)
    )
    assert [r["rule"] for r in log.cleaning] == ["missing users", "exact duplicates"]


def test_the_rule_that_empties_a_log_is_named() -> None:
    message = "no event of log is left after the cleaning rule 'non-positive prices'"
    log = bought(("u", "a", 0, 0.0), columns="user_id item_id day unit_price")
    with pytest.raises(DataError, match=message):
        Cleaning().apply(log)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="cancellations is 'drop': possible are match and keep"):
        Cleaning(cancellations="drop")
    with pytest.raises(ConfigError, match="bot_events_a_day must be 1 or more, not 0"):
        Cleaning(bot_events_a_day=0)
    with pytest.raises(ConfigError, match=r"non_goods 'GIFT\(' .*regular expression"):
        Cleaning(non_goods=("GIFT(",))
    with pytest.raises(ConfigError, match="until is 'tomorrow'"):
        Cleaning(until="tomorrow")


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", None]),
        st.sampled_from(["a", "b", "POST"]),
        st.integers(0, 3),
        st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0, None]),
        st.sampled_from([0.0, 1.0, None]),
        st.sampled_from(["purchase", "return", "view"]),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=12, deadline=None)
@given(rows=EVENTS)
def test_every_dropped_event_is_in_the_report(rows: list[tuple[Any, ...]]) -> None:
    log = bought(*rows, columns="user_id item_id day quantity unit_price event_type")
    rules = Cleaning(non_goods=("POST",), cancellations="match", bot_events_a_day=8)
    try:
        cleaned = rules.apply(log)
    except DataError:
        return  # nothing was left, which has a test of its own
    changes = [r["added_events"] - r["dropped_events"] for r in cleaned.cleaning]
    assert log.n_events + sum(changes) == cleaned.n_events
    for before, after in zip(cleaned.cleaning, cleaned.cleaning[1:], strict=False):
        assert before["events_after"] == after["events_before"]
    again = rules.apply(cleaned)
    assert again.digest == cleaned.digest  # what is clean stays as it is


def test_the_report_of_reading_comes_before_that_of_cleaning() -> None:
    log = bought(("u", "a", 0, 1)).with_cleaning([{"rule": "reading"}])
    assert [r["rule"] for r in only(missing_users=True).apply(log).cleaning] == [
        "reading",
        "missing users",
    ]


def test_the_report_as_text_has_one_line_per_rule() -> None:
    log = Cleaning().apply(bought(("u", "a", 0, 1), (None, "a", 0, 1)))
    lines = cleaning_report_text(log.cleaning).splitlines()
    assert len(lines) == 1 + len(log.cleaning)
    assert lines[1].split()[:7] == ["missing", "users", "1", "-", "0", "1", "1"]


def priced(*rows: tuple[str | None, str, float, float]) -> EventLog:
    """Purchases of (user, order, quantity, price) at one time, without items."""
    frame = pd.DataFrame(rows, columns=["user_id", "order_id", "quantity", "unit_price"])
    return EventLog.from_frames(frame.assign(event_type="purchase", timestamp="2025-01-01"))


def test_a_rule_says_how_much_money_it_dropped_and_of_how_many_customers() -> None:
    # two goods of one order at one price cannot be told apart: 2 x 3 of the 36 in the log
    log = priced(("u", "1", 2, 3), ("u", "1", 2, 3), ("v", "2", 1, 12), (None, "3", 4, 3))
    rows = {row["rule"]: row for row in Cleaning().apply(log).cleaning}
    nobody, twice = rows["missing users"], rows["exact duplicates"]
    assert (nobody["dropped_value"], nobody["value_before"]) == (12, 36)
    assert nobody["users_with_less"] == 0
    assert (twice["dropped_events"], twice["dropped_value"], twice["value_before"]) == (1, 6, 24)
    assert twice["users_with_less"] == 1
    assert "without data.columns.item_id" in twice["why"]
    assert rows["non-positive prices"]["dropped_value"] == 0


def test_without_prices_no_money_is_dropped_that_anybody_knows() -> None:
    (row,) = only(missing_users=True).apply(bought(("u", "a", 0, 1), (None, "a", 0, 1))).cleaning
    assert (row["dropped_events"], row["dropped_value"]) == (1, None)


def test_users_and_items_with_few_events_are_dropped_from_the_past_until_all_have_enough() -> None:
    # c has one event: gone; then w, whose other event was c, has one: gone; then b has one: gone
    rows = [("u", "a"), ("u", "a"), ("v", "a"), ("v", "a"), ("v", "b"), ("w", "b"), ("w", "c")]
    past = bought(*((u, i, n, 1) for n, (u, i) in enumerate(rows)))
    kept = Cleaning(min_user_events=2, min_item_events=2).restrict(past)
    assert left(kept, "user_id", "item_id") == [("u", "a"), ("u", "a"), ("v", "a"), ("v", "a")]
    assert kept.cleaning[-1]["dropped_events"] == 3
    assert Cleaning().restrict(past) is past


def test_a_past_in_which_nobody_has_enough_events_is_refused() -> None:
    with pytest.raises(
        DataError, match="no past event of log is left after dropping those with fewer"
    ):
        Cleaning(min_user_events=3).restrict(bought(("u", "a", 0, 1)))
