"""The event log: what it accepts, what it refuses, and that its content has one digest."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growthlab.core.errors import DataError
from growthlab.data.event_log import EventLog


def frame(**columns: Any) -> pd.DataFrame:
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    plain = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": days}
    return pd.DataFrame({**plain, "event_type": "purchase", **columns})


def test_ids_of_every_kind_become_the_same_strings() -> None:
    as_int = EventLog.from_frames(frame(user_id=[1, 2, 3]))
    as_float = EventLog.from_frames(frame(user_id=[1.0, 2.0, 3.0]))
    as_text = EventLog.from_frames(frame(user_id=["1.0", "2.0", "3.0"]))
    mixed = EventLog.from_frames(frame(user_id=pd.Series([1, 2.0, "3"], dtype=object)))
    for log in (as_int, as_float, as_text, mixed):
        assert list(log.to_pandas()["user_id"]) == ["1", "2", "3"]


def test_leading_zeros_and_versions_in_ids_stay() -> None:
    log = EventLog.from_frames(frame(item_id=["007", "1.0", "b"]))
    assert set(log.to_pandas()["item_id"]) == {"007", "1.0", "b"}


def test_a_raw_log_may_hold_events_without_a_user() -> None:
    log = EventLog.from_frames(frame(user_id=[1, None, ""]))
    assert (log.n_events, log.n_users, log.n_items) == (3, 1, 2)


def test_times_of_every_zone_become_naive_utc() -> None:
    log = EventLog.from_frames(
        frame(timestamp=["2024-01-01T00:30+01:00", "2024-01-01 00:00Z", "2024-01-01T01:00+00:00"])
    )
    # half past midnight in Paris is half past eleven in Greenwich, the day before
    assert log.span() == (datetime(2023, 12, 31, 23, 30), datetime(2024, 1, 1, 1, 0))


def test_aware_and_naive_datetimes_are_understood() -> None:
    naive = pd.to_datetime(["2024-06-01"] * 3)
    aware = naive.tz_localize("Europe/London")
    assert EventLog.from_frames(frame(timestamp=naive)).span()[0] == datetime(2024, 6, 1)
    assert EventLog.from_frames(frame(timestamp=aware)).span()[0] == datetime(2024, 5, 31, 23)


def test_an_unreadable_time_is_named_with_its_row() -> None:
    with pytest.raises(DataError, match=r"row 2: timestamp '31/12/2024' is not an ISO 8601 time"):
        EventLog.from_frames(frame(timestamp=["2024-01-01", "31/12/2024", "2024-01-03"]))


def test_a_missing_time_is_named_with_its_row() -> None:
    with pytest.raises(DataError, match=r"row 3: no timestamp \(1 of 3 rows have none\)"):
        EventLog.from_frames(frame(timestamp=["2024-01-01", "2024-01-02", None]))


def test_times_as_numbers_need_a_unit() -> None:
    with pytest.raises(DataError, match="timestamp holds numbers: say with unit=s, ms or us"):
        EventLog.from_frames(frame(timestamp=[1, 2, 3]))


def test_a_value_that_is_not_a_number_is_named_with_its_row() -> None:
    with pytest.raises(DataError, match="row 1: quantity 'two' is not a finite number"):
        EventLog.from_frames(frame(quantity=["two", "3", None]))
    with pytest.raises(DataError, match="row 2: unit_price inf is not a finite number"):
        EventLog.from_frames(frame(unit_price=[1.0, np.inf, 1.0]))


def test_a_misspelt_column_or_event_type_gets_its_near_matches() -> None:
    with pytest.raises(DataError, match="no column 'itemid': did you mean item_id"):
        EventLog.from_frames(frame().rename(columns={"item_id": "itemid"}))
    with pytest.raises(DataError, match="row 1: 'purchse' is not an event_type: did you mean"):
        EventLog.from_frames(frame(event_type="purchse"))


@pytest.mark.parametrize("column", ["user_id", "event_type"])
def test_missing_required_columns_are_named(column: str) -> None:
    with pytest.raises(DataError, match=f"events need the column {column}"):
        EventLog.from_frames(frame().drop(columns=column))


def test_events_need_a_timestamp_or_a_position() -> None:
    with pytest.raises(DataError, match="events need a timestamp, or a position"):
        EventLog.from_frames(frame().drop(columns="timestamp"))


def test_an_order_only_log_has_positions_and_no_times() -> None:
    log = EventLog.from_frames(frame(position=[2, 1, 1]).drop(columns="timestamp"))
    assert (log.ordered_by, log.span()) == ("position", (1, 2))
    assert list(log.to_pandas()["item_id"]) == ["b", "a", "a"]
    with pytest.raises(DataError, match="timestamp"):
        log.query("SELECT timestamp FROM events")


def test_columns_are_those_with_a_value() -> None:
    log = EventLog.from_frames(frame(rating=[None, None, None], quantity=[1, None, 2]))
    assert log.columns == {"user_id", "item_id", "event_type", "timestamp", "quantity"}
    assert "rating" not in log.to_pandas()
    assert log.query("SELECT count(rating) AS n FROM events")["n"].item() == 0


def test_a_missing_column_is_reported_in_one_line() -> None:
    log = EventLog.from_frames(frame(), items=pd.DataFrame({"item_id": ["a"], "text": ["x"]}))
    log.require("timestamp", "items", "items.text", needed_by="this test")
    message = (
        r"churn needs unit_price and users and items.category, which log does not have: it has"
    )
    with pytest.raises(DataError, match=message):
        log.require("unit_price", "users", "items.category", needed_by="churn")


def test_items_and_users_have_one_row_per_id() -> None:
    with pytest.raises(DataError, match="items hold 'a' more than once"):
        EventLog.from_frames(frame(), items=pd.DataFrame({"item_id": ["a", "a"]}))
    with pytest.raises(DataError, match=r"row 2: no user_id in users \(1 of 2 rows have none\)"):
        EventLog.from_frames(frame(), users=pd.DataFrame({"user_id": ["u", None]}))
    with pytest.raises(DataError, match="items have no column 'prize': did you mean price"):
        EventLog.from_frames(frame(), items=pd.DataFrame({"item_id": ["a"], "prize": [1]}))


def test_conditions_may_query_the_whole_log_and_can_be_chained() -> None:
    log = EventLog.from_frames(frame(), items=pd.DataFrame({"item_id": ["a"]}))
    busy = "user_id IN (SELECT user_id FROM events GROUP BY user_id HAVING count(*) > 1)"
    assert log.where(busy).n_events == 2
    assert log.where(busy).where("item_id IN (SELECT item_id FROM items)").n_events == 1
    assert log.where("item_id = 'a'").where(busy).n_events == 0  # u has one a left
    assert log.n_events == 3


def test_a_condition_on_an_unknown_column_is_one_line() -> None:
    with pytest.raises(
        DataError, match=r'log cannot be filtered: .*"tiemstamp" not found'
    ) as error:
        EventLog.from_frames(frame()).where("tiemstamp > 1")
    assert "\n" not in str(error.value)


def test_returned_frames_can_be_changed() -> None:
    log = EventLog.from_frames(frame(quantity=[1, 2, 3]))
    given = log.to_pandas()
    given.loc[0, "quantity"] = 99.0
    assert log.to_pandas()["quantity"].max() == 3


def test_an_empty_log_has_no_span() -> None:
    empty = EventLog.from_frames(frame()).where("false")
    assert (empty.n_events, len(empty.to_pandas())) == (0, 0)
    with pytest.raises(DataError, match="log has no events"):
        empty.span()


def test_a_saved_log_is_the_same_log(tmp_path: Path) -> None:
    log = EventLog.from_frames(
        frame(quantity=[1, 2, None]),
        items=pd.DataFrame({"item_id": ["b", "a"], "price": [2, None]}),
        users=pd.DataFrame({"user_id": ["v", "u"], "age": [30, 40], "consent_mail": [True, False]}),
        name="it's a shop",
        cleaning=[{"rule": "none"}],
    )
    saved = log.save(tmp_path / "o'log")
    assert saved.digest == log.digest
    assert (saved.name, saved.columns, saved.cleaning) == (log.name, log.columns, log.cleaning)
    pd.testing.assert_frame_equal(saved.to_pandas(), log.to_pandas())
    assert saved.items is not None
    assert saved.users is not None
    pd.testing.assert_frame_equal(saved.items, log.items)
    assert list(saved.users["consent_mail"]) == [False, True]  # sorted by id
    assert saved.where("true").digest == log.digest


def test_saving_again_replaces_the_whole_folder(tmp_path: Path) -> None:
    log = EventLog.from_frames(frame(), items=pd.DataFrame({"item_id": ["a"]}))
    log.save(tmp_path / "log")
    EventLog.from_frames(frame()).where("user_id = 'u'").save(tmp_path / "log")
    again = EventLog.open(tmp_path / "log")
    assert again.n_events == 2
    assert again.items is None
    assert [p.name for p in tmp_path.iterdir()] == ["log"]


def test_opening_a_folder_that_is_damaged_or_not_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a saved log"):
        EventLog.open(tmp_path)
    EventLog.from_frames(frame()).save(tmp_path / "log")
    (tmp_path / "log" / "events.parquet").write_bytes(b"half a file")
    with pytest.raises(DataError, match=r"is damaged .*: delete it and prepare again"):
        EventLog.open(tmp_path / "log")


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_digest_does_not_depend_on_the_order_of_rows(seed: int) -> None:
    events = frame(unit_price=[0.1, -0.0, None], quantity=[1, 2, 3])
    items = pd.DataFrame({"item_id": ["a", "b"], "text": ["é", None]})
    mixed = events.sample(frac=1, random_state=seed).iloc[:, ::-1]
    again = EventLog.from_frames(mixed, items.iloc[::-1])
    assert again.digest == EventLog.from_frames(events, items).digest


@pytest.mark.parametrize(
    "change",
    [
        {"item_id": ["a", "b", "b"]},
        {"timestamp": ["2024-01-01", "2024-01-02", "2024-01-03T00:00:00.000001"]},
        {"quantity": [None, None, 0.0]},
        {"order_id": ["x", "", None]},
        {"item_id": ["ab", "", "a"]},
    ],
)
def test_the_digest_sees_every_change(change: dict[str, list[object]]) -> None:
    assert EventLog.from_frames(frame(**change)).digest != EventLog.from_frames(frame()).digest


def test_the_digest_sees_items_and_users() -> None:
    items = pd.DataFrame({"item_id": ["a"], "price": [1.0]})
    users = pd.DataFrame({"user_id": ["u"], "city": ["x"]})
    logs = [
        EventLog.from_frames(frame()),
        EventLog.from_frames(frame(), items),
        EventLog.from_frames(frame(), items.assign(price=2.0)),
        EventLog.from_frames(frame(), None, users),
        EventLog.from_frames(frame(), None, users.assign(city="y")),
    ]
    assert len({log.digest for log in logs}) == len(logs)


def test_the_digest_is_the_same_on_every_machine() -> None:
    # computed once: a change of it is a change of what counts as the same data
    log = EventLog.from_frames(frame(quantity=[1, 2, None]))
    assert log.digest[:16] == "abbe23f3dbf3b133"
