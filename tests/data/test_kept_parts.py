"""A folder that grows: only new files are read, and the log is that of all files read at once."""

from __future__ import annotations

import gzip
import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.data.tabular_file import TabularFile

HEADER = "user_id,item_id,event_type,timestamp,unit_price\n"


def day_text(day: int, n: int = 3) -> str:
    rows = (f"u{n},i{day},purchase,2024-05-{day:02d} 10:0{n},{n + day}.5\n" for n in range(n))
    return HEADER + "".join(rows)


def add_day(folder: Path, day: int, text: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"day{day}.csv"
    path.write_text(day_text(day) if text is None else text)
    return path


@pytest.fixture
def days(tmp_path: Path) -> Path:
    for day in (1, 2):
        add_day(tmp_path / "days", day)
    return tmp_path / "days"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are opened as tables."""
    from growthlab.data import tabular_file

    names: list[str] = []
    original = tabular_file.open_tables

    def noted(path: Path, *others: Any) -> Any:
        names.append(path.name)
        return original(path, *others)

    monkeypatch.setattr(tabular_file, "open_tables", noted)
    return names


def source(days: Path, **settings: Any) -> TabularFile:
    return TabularFile(path=str(days), user_ids="plain", **{"cleaning": Cleaning(), **settings})


def at_once(days: Path, **settings: Any) -> EventLog:
    """The log of a cache that knows nothing of the files."""
    return source(days, **settings).prepare(
        days.with_name(f"new_cache_{len(list(days.parent.iterdir()))}")
    )


def test_only_new_files_are_read_and_the_log_is_that_of_all(
    days: Path, opened: list[str], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    source(days).prepare(cache)
    add_day(days, 3)
    opened.clear()
    grown = source(days).prepare(cache)
    assert opened == ["day3.csv"]
    assert (grown.n_events, grown.digest) == (9, at_once(days).digest)
    assert grown.to_pandas().equals(source(days, cleaning=None).read().to_pandas())


def test_other_cleaning_rules_read_no_file_again(
    days: Path, opened: list[str], tmp_path: Path
) -> None:
    source(days).prepare(tmp_path / "cache")
    opened.clear()
    fewer = source(days, cleaning=Cleaning(until="2024-05-02")).prepare(tmp_path / "cache")
    assert opened == []
    assert fewer.n_events == 3


@pytest.mark.parametrize("delivered", ["another name", "the same path"])
def test_a_day_that_is_delivered_twice_counts_once(
    delivered: str, days: Path, tmp_path: Path
) -> None:
    once = at_once(days).digest
    path = str(days)
    if delivered == "another name":
        shutil.copy(days / "day2.csv", days / "day2 (1).csv")
        given = source(days)
    else:
        given = replace(source(days), path=[path, f"{path}/day2.csv"])
    log = given.prepare(tmp_path / "cache")
    assert log.digest == once
    (row,) = [row for row in log.cleaning if row["rule"] == "files delivered twice"]
    assert (row["dropped_events"], row["events_after"]) == (3, 6)
    assert given.read().n_events == 6


def test_a_day_twice_in_a_log_without_times_counts_once(tmp_path: Path) -> None:
    (tmp_path / "days").mkdir()
    for name in ("a", "b"):
        (tmp_path / "days" / f"{name}.csv").write_text("user_id,item_id\nu,x\n")
    log = source(tmp_path / "days", event_type="view").prepare(tmp_path / "cache")
    assert log.n_events == 1


def test_the_same_bytes_of_another_days_folder_are_another_day(tmp_path: Path) -> None:
    for day in ("2024-05-01", "2024-05-02"):
        (tmp_path / "days" / f"day={day}").mkdir(parents=True)
        (tmp_path / "days" / f"day={day}" / "part.csv").write_text("user_id\nu\n")
    given = source(tmp_path / "days", event_type="view", columns={"timestamp": "day"})
    assert given.prepare(tmp_path / "cache").n_events == 2


def test_a_day_that_writes_a_column_in_another_type_is_the_same_log(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user_id": [7, 8], "item_id": [1, 2], "quantity": [1, 2]})
    days = tmp_path / "days"
    days.mkdir()
    first = frame.assign(timestamp="2024-05-01")
    first.to_parquet(days / "1.parquet")
    floats = frame.astype({"user_id": float, "quantity": float})
    floats.assign(timestamp=pd.Timestamp("2024-05-02")).to_parquet(days / "2.parquet")
    frame.astype(str).assign(timestamp="2024-05-03 00:00:00").to_csv(days / "3.csv", index=False)
    log = source(days, event_type="purchase").prepare(tmp_path / "cache")
    assert (log.n_users, log.n_items, log.n_events) == (2, 2, 6)
    assert log.digest == source(days, event_type="purchase", cleaning=None).read().digest


def test_a_column_that_comes_later_is_empty_before(days: Path, tmp_path: Path) -> None:
    source(days).prepare(tmp_path / "cache")
    text = day_text(3).replace("unit_price", "channel").replace(".5", "")
    add_day(days, 3, text)
    log = source(days).prepare(tmp_path / "cache")
    assert {"unit_price", "channel"} <= log.columns
    assert log.query("SELECT count(channel) AS n FROM events")["n"].tolist() == [3]


def test_a_day_without_times_among_days_with_times_is_refused(days: Path, tmp_path: Path) -> None:
    add_day(days, 3, "user_id,event_type\nu,view\n")
    with pytest.raises(DataError, match="some files have timestamp and others have not"):
        source(days).prepare(tmp_path / "cache")


@pytest.mark.parametrize("packed", [False, True])
def test_a_day_that_is_cut_off_leaves_the_cache_as_it_was(
    packed: bool, days: Path, opened: list[str], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    before = source(days).prepare(cache).digest
    whole = day_text(3).encode()
    path = days / ("day3.csv.gz" if packed else "day3.csv")
    path.write_bytes(gzip.compress(whole)[:60] if packed else whole[:-22])
    with pytest.raises(DataError, match=r"day3.csv") as error:
        source(days).prepare(cache)
    assert "\n" not in str(error.value)
    path.rename(days.parent / "late")
    opened.clear()
    assert source(days).prepare(cache).digest == before
    path.write_bytes(gzip.compress(whole) if packed else whole)
    assert source(days).prepare(cache).n_events == 9
    assert opened == [path.name]


def test_a_damaged_part_is_read_again(days: Path, opened: list[str], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    source(days).prepare(cache)
    damaged = next((cache / "parts").glob("*/events.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    add_day(days, 3)
    opened.clear()
    assert source(days).prepare(cache).n_events == 9
    assert len(opened) == 2


def test_by_stat_a_file_is_not_looked_into_while_size_and_time_stay(
    days: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    for path in days.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    first = source(days, cache_key="stat").prepare(cache)
    assert source(days).prepare(cache).digest == first.digest
    assert len(list(cache.glob("tabular_file-*/log.json"))) == 1  # the key is that of the content
    changed = days / "day1.csv"
    changed.write_text(day_text(1).replace("u0", "v0"))
    os.utime(changed, (1_700_000_000, 1_700_000_000))
    assert source(days, cache_key="stat").prepare(cache).digest == first.digest
    assert source(days).prepare(cache).digest != first.digest
    os.utime(changed, (1_700_000_001, 1_700_000_001))
    assert source(days, cache_key="stat").prepare(cache).digest != first.digest


def test_a_file_that_was_just_written_is_looked_into_by_stat_too(
    days: Path, tmp_path: Path
) -> None:
    source(days, cache_key="stat").prepare(tmp_path / "cache")
    assert not (tmp_path / "cache" / "file-digests.json").exists()


def test_another_way_to_know_files_is_refused(days: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data.cache_key=name: possible: content, stat"):
        source(days, cache_key="name").prepare(tmp_path / "cache")


def test_a_sample_of_customers_is_that_of_all_days(days: Path, tmp_path: Path) -> None:
    add_day(days, 3, day_text(3, n=10))
    half = source(days, sample_users=0.5).prepare(tmp_path / "cache")
    everybody = source(days).prepare(tmp_path / "cache")
    chosen = ", ".join(f"'{user}'" for user in set(half.to_pandas()["user_id"]))
    assert 0 < half.n_users < everybody.n_users
    assert half.digest == everybody.where(f"user_id IN ({chosen})").digest


def test_two_processes_that_prepare_at_once_give_the_same(days: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        digests = pool.starmap(_prepared_digest, [(days, tmp_path / "cache")] * 2)
    assert digests == [at_once(days).digest] * 2


def _prepared_digest(days: Path, cache: Path) -> str:
    return source(days).prepare(cache).digest
