"""A log in parts, or in little memory: the same content and the same results."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.data import database as database_module
from growthlab.data import digest
from growthlab.data.cleaning import Cleaning
from growthlab.data.database import database, limit_memory
from growthlab.data.event_log import EventLog
from growthlab.data.k_core import k_core
from growthlab.data.tabular_file import TabularFile
from growthlab.features.btyd import btyd_summary
from growthlab.features.build_histories import catalogue_of, histories_of
from growthlab.features.customer_table import customer_table
from growthlab.split.global_time import GlobalTime
from growthlab.split.leakage import leakage_report
from growthlab.split.leave_last_out import LeaveLastOut

TYPES = ("view", "purchase", "return")
CUTOFF = datetime(2025, 3, 1)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> EventLog:
    """A saved log of 200 customers, with ties in time, quotes in ids and a row that is there twice."""
    rng = np.random.default_rng(7)
    n = 4_000
    days = pd.to_datetime("2025-01-01") + pd.to_timedelta(rng.integers(0, 90, n), unit="D")
    events = pd.DataFrame(
        {
            "user_id": [f"o'b{u:03d}" for u in rng.integers(0, 200, n)],
            "item_id": [f"i{i}" for i in rng.integers(0, 30, n)],
            "event_type": rng.choice(TYPES, n),
            "timestamp": days,
            "quantity": rng.integers(1, 4, n).astype(float),
            "unit_price": rng.integers(1, 50, n) / 4,
            "channel": rng.choice(["app", "shop", "web"], n),
        }
    )
    raw = EventLog.from_frames(pd.concat([events, events[:5]]), name="parts")
    cleaned = Cleaning(bot_events_a_day=None).apply(raw)
    assert raw.n_events - cleaned.n_events >= 5
    return cleaned.save(tmp_path_factory.mktemp("log") / "saved")


def assert_equal(one: Histories, other: Histories) -> None:
    expected = one.to_arrays()
    for name, values in other.to_arrays().items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_parts_hold_each_customer_once_and_all_events(log: EventLog) -> None:
    parts = log.in_parts(64).parts()
    assert len(parts) > 50
    users = [
        user for part in parts for user in sorted(part.query("FROM events")["user_id"].unique())
    ]
    assert users == sorted(set(users))
    assert len(users) == log.n_users
    assert sum(part.n_events for part in parts) == log.n_events
    assert len(log.parts()) == 1


def test_histories_are_the_same_in_one_part_and_in_many(log: EventLog) -> None:
    past = GlobalTime(cutoff="2025-03-01", horizon_days=14).folds(log)[0].past
    catalogue = catalogue_of(past)
    whole = histories_of(past, TYPES, catalogue)
    assert_equal(whole, histories_of(past.in_parts(64), TYPES, catalogue))
    chosen = np.array(["o'b150", "nobody", "o'b003"])  # in any order, some without events
    some = histories_of(past, ("purchase",), catalogue, whole.user_ids, chosen)
    assert some.user_ids.tolist() == chosen.tolist()
    assert some.lengths[1] == 0
    assert some.lengths[0] > 0
    for n in (3, 64):
        cut = histories_of(past.in_parts(n), ("purchase",), catalogue, whole.user_ids, chosen)
        assert_equal(some, cut)


def test_the_customer_table_is_the_same_in_one_part_and_in_many(log: EventLog) -> None:
    users = np.array(["o'b150", "nobody", *sorted(log.query("FROM events")["user_id"].unique())])
    whole = customer_table(log, CUTOFF, users)
    assert whole["orders"].iloc[1] == 0
    cut = log.in_parts(5)
    pd.testing.assert_frame_equal(customer_table(cut, CUTOFF, users), whole)
    pd.testing.assert_frame_equal(btyd_summary(cut, CUTOFF), btyd_summary(log, CUTOFF))


def test_the_k_core_and_the_leakage_report_are_the_same_in_one_part_and_in_many(
    log: EventLog,
) -> None:
    fold = GlobalTime(cutoff="2025-03-01", horizon_days=14).folds(log)[0]
    cut = replace(fold, past=fold.past.in_parts(7))
    users, items = (set(ids.to_pylist()) for ids in k_core(fold.past, 6, 75))
    assert 0 < len(users) < fold.past.n_users
    assert 0 < len(items) < fold.past.n_items
    assert [set(ids.to_pylist()) for ids in k_core(cut.past, 6, 75)] == [users, items]
    one, many = (leakage_report(f, TYPES, ("purchase",)) for f in (fold, cut))
    assert one == many
    past, future = (part.query("FROM events") for part in (fold.past, fold.future))
    bought = future[future["event_type"] == "purchase"]
    cold = set(bought["user_id"]) - set(past["user_id"])
    assert one["cold_users"]["count"] == len(cold)
    leave_out = LeaveLastOut().folds(log)[0]
    shares = [
        leakage_report(replace(leave_out, past=past), TYPES, TYPES)["later_past_share"]
        for past in (leave_out.past, leave_out.past.in_parts(7))
    ]
    assert shares[0] == shares[1] > 0


def test_the_digest_and_the_file_do_not_depend_on_memory_or_parts(
    log: EventLog, tmp_path: Path
) -> None:
    saved = {}
    for gb, n_parts in ((0.25, 1), (2, 64)):
        try:
            limit_memory(gb)
            events = log.to_pandas().sample(frac=1, random_state=n_parts)
            again = EventLog.from_frames(events).in_parts(n_parts).save(tmp_path / str(n_parts))
        finally:
            limit_memory(None)
        saved[n_parts] = again
        assert again.digest == log.digest
        assert len(again.parts()) >= min(n_parts, 50)
        assert again.counts == log.counts
    pd.testing.assert_frame_equal(saved[1].query("FROM events"), saved[64].query("FROM events"))


def test_a_log_that_does_not_fit_gives_the_same_file_and_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "raw.parquet"
    database().execute(
        "COPY (SELECT md5((i * 7919 % 8000)::VARCHAR) AS user_id, 'i' || (i % 97) AS item_id, "
        "'purchase' AS event_type, TIMESTAMP '2025-01-01' + to_seconds(i * 7 % 90000) AS timestamp, "
        "(i % 50) / 4.0 + 1 AS unit_price FROM (SELECT least(range, 79990) AS i FROM range(80000))) "
        f"TO '{path}' (FORMAT parquet)"
    )
    saved = {}
    monkeypatch.setitem(
        database_module._SETTINGS, "threads", "2"
    )  # each needs a part of the memory
    for limit, n_parts in (("4GiB", 1), ("24MiB", 64)):
        monkeypatch.setitem(database_module._SETTINGS, "memory_limit", limit)
        log = Cleaning().apply(TabularFile(path=str(path)).read())
        saved[n_parts] = log.in_parts(n_parts).save(tmp_path / str(n_parts))
    one, many = saved[1], saved[64]
    assert len(many.parts()) == 64
    assert many.digest == one.digest
    assert many.counts == one.counts == {"events": 79_991, "users": 8_000, "items": 97}
    assert many.cleaning == one.cleaning
    pd.testing.assert_frame_equal(one.query("FROM events"), many.query("FROM events"))


def test_the_digest_of_a_log_is_that_of_earlier_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    events = pd.DataFrame(
        {
            "user_id": list("aäb") * 4,
            "item_id": ["x", "y", None, "x"] * 3,
            "event_type": ["view", "purchase"] * 6,
            "timestamp": pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-03"] * 4),
            "unit_price": [1.5, -0.0, None] * 4,
        }
    )
    expected = "8129ce141dd5fdde86a42950003fda2c45d02cca5295989152545c82ed55d420"
    for fewest_repeats in (1, 2, 1000):  # all texts are sorted by rank, some, none
        monkeypatch.setattr(digest, "_FEWEST_REPEATS", fewest_repeats)
        assert EventLog.from_frames(events).digest == expected


def test_what_does_not_fit_into_memory_is_written_where_only_its_user_can_read() -> None:
    try:
        limit_memory(0.25)
        connection = database()
    finally:
        limit_memory(None)
    (folder,) = connection.execute("SELECT current_setting('temp_directory')").fetchall()[0]
    # 64 bytes of digits that do not compress, five million times: more than a quarter of a GiB
    connection.execute(
        "CREATE TABLE t AS SELECT md5(i::VARCHAR) || md5((-i)::VARCHAR) AS x FROM range(5000000) r(i)"
    )
    assert any(Path(folder).iterdir())
    assert stat.S_IMODE(Path(folder).parent.stat().st_mode) == 0o700
    connection.close()
    assert not Path(folder).exists()


def test_too_little_memory_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"memory_gb must be 0.25 or more, not 0.1"):
        limit_memory(0.1)
