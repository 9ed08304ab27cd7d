"""Items and users as of a date: of several rows the newest that was known, none that became known later."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import DataError
from growthlab.data.as_of import (
    customer_events_at,
    first_tables,
    known_at,
    recorded_at,
    tables_at,
    untimed_columns,
    without_unseen_items,
)
from growthlab.data.event_log import EventLog
from growthlab.features.build_histories import catalogue_of
from growthlab.features.customer_table import customer_table
from growthlab.split.given import Given
from growthlab.split.global_time import GlobalTime
from growthlab.split.leave_last_out import LeaveLastOut


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp("2025-01-01") + pd.Timedelta(days=number - 1)


ITEMS = pd.DataFrame(
    [
        ("tea", "green tea", 3.0, day(1), day(1)),
        ("tea", "black tea", 4.0, day(10), day(1)),  # rewritten on the 10th
        ("mug", "mug", 8.0, day(12), day(15)),  # known from the 12th, on sale from the 15th
    ],
    columns=["item_id", "text", "price", "known_from", "available_from"],
)
USERS = pd.DataFrame(
    [("ann", "silver", day(1)), ("ann", "gold", day(10)), ("bob", "gold", day(8))],
    columns=["user_id", "tier", "known_from"],
)


def log_of(items: pd.DataFrame | None = ITEMS, users: pd.DataFrame | None = USERS) -> EventLog:
    rows = [(user, day(n)) for user in ("ann", "bob") for n in range(2, 21, 2)]
    events = pd.DataFrame(rows, columns=["user_id", "timestamp"])
    return EventLog.from_frames(events.assign(event_type="purchase", item_id="tea"), items, users)


def tiers(log: EventLog) -> dict[str, str]:
    assert log.users is not None
    return dict(zip(log.users["user_id"], log.users["tier"], strict=True))


def texts(log: EventLog) -> dict[str, str]:
    assert log.items is not None
    return dict(zip(log.items["item_id"], log.items["text"], strict=True))


@pytest.mark.parametrize(
    ("cutoff", "expected_tiers", "expected_texts"),
    [
        (5, {"ann": "silver"}, {"tea": "green tea"}),
        (10, {"ann": "silver", "bob": "gold"}, {"tea": "green tea"}),  # at the cutoff: not before
        (11, {"ann": "gold", "bob": "gold"}, {"tea": "black tea"}),
        (15, {"ann": "gold", "bob": "gold"}, {"tea": "black tea"}),  # the mug is not on sale yet
        (16, {"ann": "gold", "bob": "gold"}, {"tea": "black tea", "mug": "mug"}),
    ],
)
def test_the_newest_row_known_before_the_cutoff_is_there(
    cutoff: int, expected_tiers: dict[str, str], expected_texts: dict[str, str]
) -> None:
    known = known_at(log_of(), day(cutoff))
    assert tiers(known) == expected_tiers
    assert texts(known) == expected_texts
    # the tables of SQL are the same as the frames
    assert len(known.query("SELECT * FROM users")) == len(expected_tiers)
    assert len(known.query("SELECT * FROM items")) == len(expected_texts)


def test_an_earlier_snapshot_of_a_record_has_the_rows_of_its_own_time() -> None:
    record = recorded_at(log_of(), day(18))
    assert tiers(known_at(record, day(9))) == {"ann": "silver", "bob": "gold"}
    tables = [
        customer_table(record, day(n), ["ann", "bob"], attributes=["tier"]) for n in (5, 9, 18)
    ]
    assert [t["tier"].astype(object).tolist() for t in tables] == [
        ["silver", np.nan],
        ["silver", "gold"],
        ["gold", "gold"],
    ]


def test_the_catalogue_of_a_fold_is_as_of_its_cutoff() -> None:
    fold = GlobalTime("2025-01-14", 5).folds(log_of())[0]
    catalogue = catalogue_of(fold.past)
    assert catalogue.item_ids.tolist() == ["tea"]
    inner = catalogue_of(fold.for_choosing().past)  # as of the 9th
    assert catalogue.text is not None
    assert inner.text is not None
    assert (catalogue.text.tolist(), inner.text.tolist()) == (["black tea"], ["green tea"])


def test_a_row_written_after_the_cutoff_changes_nothing_known_before() -> None:
    later = pd.DataFrame(
        [("ann", "lost", day(19)), ("bob", "lost", day(19))], columns=USERS.columns
    )
    log = log_of(users=pd.concat([USERS, later]))
    known, before = known_at(log, day(15)), known_at(log_of(), day(15))
    pd.testing.assert_frame_equal(known.users, before.users)
    assert tiers(tables_at(log, None)) == {"ann": "lost", "bob": "lost"}
    assert tiers(customer_events_at(log, None)) == {"ann": "lost", "bob": "lost"}
    assert tiers(customer_events_at(log, day(15))) == {"ann": "gold", "bob": "gold"}


def test_a_split_without_a_cutoff_has_the_oldest_rows() -> None:
    log = log_of()
    assert tiers(first_tables(log)) == {"ann": "silver", "bob": "gold"}
    parts = log.to_pandas().assign(split="train")
    parts.loc[parts["timestamp"] >= day(18), "split"] = "test"
    given = EventLog.from_frames(parts, ITEMS, USERS)
    for fold in (LeaveLastOut().folds(log)[0], Given(valid="none").folds(given)[0]):
        assert tiers(fold.past) == {"ann": "silver", "bob": "gold"}
        assert texts(fold.past) == {"tea": "green tea", "mug": "mug"}


def test_an_item_without_a_date_that_nobody_has_had_is_not_in_the_catalogue_of_a_cutoff() -> None:
    undated = pd.DataFrame({"item_id": ["cup", "tea"], "text": ["cup", "tea"]})
    fold = GlobalTime("2025-01-14", 5).folds(log_of(undated))[0]
    assert catalogue_of(fold.past).item_ids.tolist() == ["tea"]
    dated = undated.assign(available_from=[day(3), pd.NaT])
    fold = GlobalTime("2025-01-14", 5).folds(log_of(dated))[0]
    assert catalogue_of(fold.past).item_ids.tolist() == ["cup", "tea"]
    everything = log_of(dated)
    assert without_unseen_items(everything) is everything


def test_columns_of_a_table_without_times_are_untimed() -> None:
    columns = ["users.tier", "items.text", "items.category", "users.known_from"]
    assert untimed_columns(log_of(), columns) == []
    items, users = ITEMS.drop(columns="known_from").iloc[1:], USERS.drop(columns="known_from")
    assert untimed_columns(log_of(items, users.iloc[1:]), columns) == ["items.text", "users.tier"]


@pytest.mark.parametrize(
    ("users", "message"),
    [
        (USERS.assign(known_from=[day(1), day(1), day(8)]), "'ann' more than once from 2025-01-01"),
        (USERS.assign(known_from=[day(1), None, day(8)]), "row 2: no known_from in users"),
        (USERS.drop(columns="known_from"), "'ann' more than once: keep one row per id"),
    ],
)
def test_rows_that_no_time_tells_apart_are_refused(users: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        log_of(users=users)
