"""Cancellations matched to their purchases."""

from __future__ import annotations

from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from growthlab.data.as_of import known_at, recorded_at, without_cancelled_purchases
from growthlab.data.cancellations import match_cancellations
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog


def log_of(*rows: tuple[str, int, float | None], user: str | None = "u") -> EventLog:
    """Events of one user and item as (type, day, quantity)."""
    frame = pd.DataFrame(list(rows), columns=["event_type", "day", "quantity"])
    days = pd.to_timedelta(frame.pop("day"), unit="D")
    frame["timestamp"] = pd.Timestamp("2024-01-01") + days
    return EventLog.from_frames(frame.assign(user_id=user, item_id="a", unit_price=1.0))


def matched(*rows: tuple[str, int, float | None]) -> list[tuple[str, int, float]]:
    matched, _ = match_cancellations(log_of(*rows))
    events = without_cancelled_purchases(matched).to_pandas()
    return [
        (kind, time.day - 1, quantity)
        for kind, time, quantity in zip(
            events["event_type"], events["timestamp"], events["quantity"], strict=True
        )
    ]


def test_a_cancelled_purchase_goes_with_its_cancellation() -> None:
    assert matched(("purchase", 0, 3), ("return", 1, -3), ("purchase", 2, 1)) == [
        ("purchase", 2, 1)
    ]


def test_a_negative_purchase_is_a_cancellation_too() -> None:
    assert matched(("purchase", 0, 3), ("purchase", 1, -3)) == []


def test_the_most_recent_purchase_that_is_large_enough_is_cancelled() -> None:
    rows = [("purchase", 0, 5), ("purchase", 1, 5), ("purchase", 2, 1), ("return", 3, -5)]
    assert matched(*rows) == [("purchase", 0, 5), ("purchase", 2, 1)]


def test_the_rest_of_a_partly_cancelled_purchase_stays() -> None:
    rows = [("purchase", 0, 10), ("return", 1, -3), ("return", 2, -4)]
    assert matched(*rows) == [("purchase", 0, 3)]
    assert match_cancellations(log_of(*rows))[1] == 1


def test_a_purchase_is_cancelled_only_once() -> None:
    rows = [("purchase", 0, 2), ("return", 1, -2), ("return", 2, -2)]
    assert matched(*rows) == [("return", 2, -2)]


def test_no_later_and_no_smaller_purchase_is_cancelled() -> None:
    late = [("return", 0, -1.0), ("purchase", 1, 1.0)]
    assert matched(*late) == late
    small = [("purchase", 0, 1.0), ("return", 1, -2.0)]
    assert matched(*small) == small


def test_a_cancellation_at_the_same_time_comes_after_the_purchase() -> None:
    assert matched(("return", 0, -1), ("purchase", 0, 1)) == []


def test_without_quantities_every_event_has_quantity_one() -> None:
    log = log_of(("purchase", 0, None), ("return", 1, None), ("purchase", 2, None))
    matched, _ = match_cancellations(log)
    assert [t.day for t in without_cancelled_purchases(matched).to_pandas()["timestamp"]] == [3]


def test_unmatched_cancellations_are_counted_apart() -> None:
    rows = [("return", 0, -1), ("purchase", 1, 2), ("return", 2, -2), ("purchase", 3, 1)]
    cleaned = Cleaning(cancellations="match").apply(log_of(*rows))
    dropped = {r["rule"]: r["dropped_events"] for r in cleaned.cleaning}
    assert dropped["cancellations of purchases"] == 1
    changed = {r["rule"]: r["changed_events"] for r in cleaned.cleaning}
    assert (dropped["cancelled purchases"], changed["cancelled purchases"]) == (0, 1)
    assert dropped["cancellations without a purchase"] == 1
    assert cleaned.n_events == 2
    assert without_cancelled_purchases(cleaned).n_events == 1


def test_a_cancelled_purchase_stays_with_the_time_of_its_cancellation() -> None:
    matched = Cleaning(cancellations="match").apply(log_of(("purchase", 0, 10), ("return", 4, -3)))
    report = {r["rule"]: r for r in matched.cleaning}
    assert report["cancelled purchases"]["changed_events"] == 1
    assert report["cancelled purchases"]["added_events"] == 1
    assert report["cancellations of purchases"]["dropped_events"] == 1
    rows = matched.to_pandas().sort_values("quantity")
    assert rows["quantity"].tolist() == [3, 7]
    assert [t.day for t in rows["timestamp"]] == [1, 1]
    assert rows["cancelled_at"].iloc[0] == pd.Timestamp("2024-01-05")
    assert pd.isna(rows["cancelled_at"].iloc[1])


def test_a_cancellation_is_known_from_its_ingestion_on() -> None:
    rows = log_of(("purchase", 0, 1), ("return", 4, -1)).to_pandas()
    rows["ingested_at"] = [pd.NaT, pd.Timestamp("2024-01-09")]
    matched, _ = match_cancellations(EventLog.from_frames(rows))
    assert matched.to_pandas()["cancelled_at"].tolist() == 2 * [pd.Timestamp("2024-01-09")]


def test_a_log_without_timestamps_drops_cancelled_purchases() -> None:
    frame = pd.DataFrame({"user_id": "u", "item_id": "a", "position": [0, 1, 2]})
    frame["event_type"] = ["purchase", "return", "purchase"]
    matched, n_cancelled = match_cancellations(EventLog.from_frames(frame))
    assert (matched.to_pandas()["position"].tolist(), n_cancelled) == ([2], 1)
    assert "cancelled_at" not in matched.columns


def test_events_without_a_user_match_nothing() -> None:
    log = log_of(("purchase", 0, 1), ("return", 1, -1), user=None)
    assert match_cancellations(log)[0].n_events == 2


ROWS = st.lists(
    st.tuples(st.sampled_from("uv"), st.sampled_from("ab"), st.integers(0, 5), st.integers(-3, 3)),
    max_size=25,
)


@settings(max_examples=15, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 100))
def test_units_bought_less_units_returned_stay_the_same(
    rows: list[tuple[str, str, int, int]], seed: int
) -> None:
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "day", "quantity"])
    days = pd.to_timedelta(frame.pop("day"), unit="D")
    frame["timestamp"] = pd.Timestamp("2024-01-01") + days
    frame["event_type"] = ["return" if q < 0 else "purchase" for q in frame["quantity"]]
    log = EventLog.from_frames(frame)
    matched, _ = match_cancellations(log)
    total = (
        "SELECT user_id, item_id, sum(quantity) AS n FROM events "
        "GROUP BY ALL HAVING n != 0 ORDER BY ALL"
    )
    pd.testing.assert_frame_equal(
        without_cancelled_purchases(matched).query(total), log.query(total)
    )
    bought = "SELECT sum(quantity) AS n FROM events WHERE event_type = 'purchase'"
    pd.testing.assert_frame_equal(
        matched.query(bought), log.query(bought)
    )  # until its cancellation
    shuffled = EventLog.from_frames(frame.sample(frac=1, random_state=seed))
    assert match_cancellations(shuffled)[0].digest == matched.digest


def test_other_events_of_the_pair_are_left_alone() -> None:
    extra: Any = ("view", 2, None)
    matched, _ = match_cancellations(log_of(("purchase", 0, 1), ("return", 1, -1), extra))
    assert list(without_cancelled_purchases(matched).to_pandas()["event_type"]) == ["view"]


def test_a_match_depends_on_no_purchase_that_became_known_later() -> None:
    """The return of day 3 is of the purchase of day 0; that of day 1 is only booked on day 9."""
    log = log_of(("purchase", 0, 2), ("purchase", 1, 2), ("return", 3, -2))
    days = [pd.Timestamp("2024-01-01") + pd.Timedelta(days=d) for d in (0, 9, 3)]
    late = EventLog.from_frames(log.to_pandas().sort_values("timestamp").assign(ingested_at=days))
    marked = match_cancellations(late)[0].to_pandas()
    cancelled = marked[marked["cancelled_at"].notna() & (marked["event_type"] == "purchase")]
    assert cancelled["timestamp"].tolist() == [pd.Timestamp("2024-01-01")]
    assert cancelled["cancelled_at"].tolist() == [pd.Timestamp("2024-01-04")]


def test_a_purchase_that_is_known_after_its_return_is_cancelled_from_then_on() -> None:
    log = log_of(("purchase", 0, 2), ("return", 3, -2))
    days = [pd.Timestamp("2024-01-01") + pd.Timedelta(days=d) for d in (9, 3)]
    late = EventLog.from_frames(log.to_pandas().sort_values("timestamp").assign(ingested_at=days))
    marked = match_cancellations(late)[0].to_pandas()
    assert marked["cancelled_at"].tolist() == [pd.Timestamp("2024-01-10")] * 2


def test_the_past_before_a_partial_cancellation_holds_the_whole_purchase_as_one_row() -> None:
    rows = log_of(("purchase", 0, 10), ("purchase", 1, 5), ("return", 4, -3), ("return", 6, -2))
    other = rows.to_pandas().assign(user_id="v", event_type="view", quantity=None)
    both = pd.concat([rows.to_pandas(), other], ignore_index=True)
    matched, _ = match_cancellations(EventLog.from_frames(both))

    def bought(cutoff: str) -> list[tuple[int, float]]:
        past = known_at(matched, pd.Timestamp(cutoff).to_pydatetime()).to_pandas()
        assert (past["event_type"] == "view").sum() == sum(
            t < pd.Timestamp(cutoff) for t in other["timestamp"]
        )
        mine = past[past["event_type"] == "purchase"].sort_values("timestamp")
        return [(t.day - 1, q) for t, q in zip(mine["timestamp"], mine["quantity"], strict=True)]

    assert bought("2024-01-04") == [(0, 10), (1, 5)]
    assert bought("2024-01-06") == [(0, 10), (1, 2)]
    assert bought("2024-01-08") == [(0, 10)]
    recorded = recorded_at(matched, pd.Timestamp("2024-01-06").to_pydatetime()).to_pandas()
    kept = recorded[recorded["event_type"] == "purchase"].sort_values(["timestamp", "quantity"])
    assert kept["quantity"].tolist() == [10, 2, 3]
    assert kept["cancelled_at"].notna().tolist() == [False, False, True]
