"""Pseudonyms change nothing but the ids of customers, and the raw ids are kept once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.pseudonyms import find_or_create_key
from growthlab.data.event_log import EventLog
from growthlab.data.privacy import KeptIds, Privacy, kept_ids_file
from growthlab.data.tabular_file import TabularFile

RAW = ["ann", "ann", "bob", "ann", "cat", "bob", None]


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that no other test has kept ids for."""
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "key" / "pseudonym.key"))


def a_log(users: pd.DataFrame | None = None) -> EventLog:
    """Seven events of three customers and of nobody, two of them alike."""
    days = pd.to_datetime("2024-01-01") + pd.to_timedelta([0, 0, 1, 2, 3, 4, 5], unit="D")
    frame = pd.DataFrame({"user_id": RAW, "item_id": "tea", "timestamp": days})
    return EventLog.from_frames(frame.assign(event_type="view"), users=users)


@pytest.mark.parametrize("with_users", [False, True])
def test_every_event_stays_once_under_its_pseudonym(*, with_users: bool) -> None:
    users = pd.DataFrame({"user_id": ["bob", "dan"], "plan": ["a", "b"]}) if with_users else None
    key, log = find_or_create_key(), a_log(users)
    named = log.with_pseudonyms(key)
    expected = [None if raw is None else key.pseudonym("user", raw) for raw in RAW]
    rows = named.query("SELECT user_id FROM events ORDER BY timestamp")["user_id"]
    assert [None if pd.isna(u) else u for u in rows] == expected
    assert (log.key_fingerprint, named.key_fingerprint) == (None, key.fingerprint)
    if with_users:
        assert named.users is not None
        assert set(named.users["user_id"]) == {key.pseudonym("user", u) for u in ("bob", "dan")}


def test_the_names_survive_filters_and_the_cache(tmp_path: Path) -> None:
    key = find_or_create_key()
    saved = a_log().with_pseudonyms(key).where("user_id IS NOT NULL").save(tmp_path / "log")
    assert EventLog.open(tmp_path / "log").key_fingerprint == key.fingerprint
    assert saved.n_users == 3


def test_raw_ids_are_kept_once_and_those_of_before_stay() -> None:
    key = find_or_create_key()
    kept = KeptIds(key)
    a_log().with_pseudonyms(key, kept)
    a_log(pd.DataFrame({"user_id": ["dan"]})).with_pseudonyms(key, kept)
    pairs = pd.read_parquet(kept_ids_file(key))
    assert sorted(pairs["user_id"]) == ["ann", "bob", "cat", "dan"]
    assert kept_ids_file(key).stat().st_mode & 0o777 == 0o600
    assert kept.of([key.pseudonym("user", "dan"), "unknown"]) == {
        key.pseudonym("user", "dan"): "dan"
    }


def test_a_key_without_kept_ids_reveals_nothing() -> None:
    with pytest.raises(DataError, match="no original ids are kept"):
        KeptIds(find_or_create_key()).of(["a"])


def test_ids_that_cannot_be_kept_stop_before_anything_is_written(tmp_path: Path) -> None:
    key = find_or_create_key()
    kept_ids_file(key).mkdir()
    with pytest.raises(ConfigError, match=r"cannot be kept in .*privacy\.keep_ids=false"):
        a_log().with_pseudonyms(key, KeptIds(key))


def test_files_are_named_by_pseudonyms_unless_plain_is_asked_for(tmp_path: Path) -> None:
    frame = a_log().to_pandas().dropna(subset=["user_id"])
    frame.to_csv(tmp_path / "events.csv", index=False)
    source, cache = TabularFile(path=str(tmp_path / "events.csv")), tmp_path / "cache"
    key = find_or_create_key()
    named, plain = source.prepare(cache), source.prepare(cache, Privacy(user_ids="plain"))
    again = source.prepare(cache)
    assert named.n_events == plain.n_events == 6
    assert set(plain.to_pandas()["user_id"]) == {"ann", "bob", "cat"}
    expected = {key.pseudonym("user", u) for u in ("ann", "bob", "cat")}
    assert set(named.to_pandas()["user_id"]) == set(again.to_pandas()["user_id"]) == expected
    assert named.key_fingerprint == again.key_fingerprint == key.fingerprint


@pytest.mark.parametrize(
    ("settings", "line"),
    [({"user_ids": "hidden"}, "privacy.user_ids=hidden"), ({"keep_ids": "no"}, "keep_ids=no")],
)
def test_settings_that_are_none_are_one_line(settings: dict[str, str], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        Privacy(**settings)  # type: ignore[arg-type]
