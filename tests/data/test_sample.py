"""A share of the customers: whole histories, the same ones whatever the order of rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.data.sample import sample_of_users
from growthlab.data.tabular_file import TabularFile

N_USERS = 2_000


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    users = [f"u{n % N_USERS}" for n in range(3 * N_USERS)]
    return pd.DataFrame({"user_id": users, "item_id": "a", "position": range(3 * N_USERS)})


def log_of(frame: pd.DataFrame, **tables: Any) -> EventLog:
    return EventLog.from_frames(frame.assign(event_type="view"), **tables)


def users_of(log: EventLog) -> set[str]:
    return set(log.query("SELECT DISTINCT user_id FROM events")["user_id"])


def test_a_share_of_the_users_keeps_all_their_events(frame: pd.DataFrame) -> None:
    sample = sample_of_users(log_of(frame), 0.1, seed=0)
    # 200 of 2,000 expected; the standard deviation is sqrt(2000 * 0.1 * 0.9) = 13
    assert 150 < sample.n_users < 250
    assert sample.n_events == 3 * sample.n_users


def test_the_same_users_are_taken_whatever_the_order_of_rows(frame: pd.DataFrame) -> None:
    shuffled = frame.sample(frac=1, random_state=1)
    first, second = (sample_of_users(log_of(f), 0.1, seed=0) for f in (frame, shuffled))
    assert first.digest == second.digest


def test_a_smaller_share_takes_some_of_the_same_users_and_another_seed_takes_others(
    frame: pd.DataFrame,
) -> None:
    log = log_of(frame)
    tenth, hundredth = (users_of(sample_of_users(log, share, seed=0)) for share in (0.1, 0.01))
    assert hundredth < tenth
    assert users_of(sample_of_users(log, 0.1, seed=1)) != tenth


def test_the_table_of_users_holds_those_of_the_sample(frame: pd.DataFrame) -> None:
    table = pd.DataFrame({"user_id": [f"u{n}" for n in range(N_USERS)]})
    sample = sample_of_users(log_of(frame, users=table), 0.1, seed=0)
    assert sample.users is not None
    assert set(sample.users["user_id"]) == users_of(sample)


def test_a_sample_of_nobody_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("user_id\nu\n")
    nobody = TabularFile(path=str(path), event_type="view", sample_users=1e-6)
    with pytest.raises(DataError, match=r"no events: data.sample_users=1e-06 takes none"):
        nobody.prepare(tmp_path / "cache")
    for share in (0.0, 1.5, float("nan")):
        with pytest.raises(ConfigError, match="must be a share of the customers"):
            TabularFile(path="x.csv", sample_users=share)


def test_the_cache_and_the_cleaning_report_know_the_sample(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "events.csv"
    frame.to_csv(path, index=False)
    whole = TabularFile(path=str(path), event_type="view")
    tenth = replace(whole, sample_users=0.1)
    assert len({whole.key(), tenth.key(), replace(tenth, sample_seed=1).key()}) == 3
    log = tenth.prepare(tmp_path / "cache")
    (row,) = [row for row in log.cleaning if row["rule"] == "sample of users"]
    assert (row["users_before"], row["users_after"]) == (N_USERS, log.n_users)
    assert log.n_users < 250
