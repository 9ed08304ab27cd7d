"""Sources: read once, cached by what they depend on, safe for two concurrent processes."""

from __future__ import annotations

import multiprocessing
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest

from growthlab.core.errors import DataError
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.data.source import INPUT_FILE, Source
from growthlab.data.tabular_file import TabularFile


@dataclass(frozen=True, kw_only=True)
class Lines(Source):
    """A source for these tests: a user a line; every reading leaves a line in a diary."""

    name: ClassVar[str] = "lines"
    path: str = field(metadata=INPUT_FILE)
    diary: str
    event_type: str = "purchase"

    def input_files(self) -> list[Path]:
        return [Path(self.path)]

    def read(self) -> EventLog:
        with Path(self.diary).open("a") as diary:
            diary.write("read\n")
        users = Path(self.path).read_text().split()
        frame = pd.DataFrame({"user_id": users, "position": range(len(users))})
        return EventLog.from_frames(frame.assign(event_type=self.event_type), name=self.name)

    @property
    def n_readings(self) -> int:
        return len(Path(self.diary).read_text().split())


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    (tmp_path / "users.txt").write_text("u\nv\nv\n")
    return Lines(path=str(tmp_path / "users.txt"), diary=str(tmp_path / "diary.txt"))


def test_a_second_call_opens_the_cache(lines: Lines, tmp_path: Path) -> None:
    first, second = (lines.prepare(tmp_path / "cache") for _ in range(2))
    assert lines.n_readings == 1
    assert second.digest == first.digest == lines.read().digest
    assert second.n_events == 3


def test_the_key_depends_on_settings_rules_and_file_content(lines: Lines, tmp_path: Path) -> None:
    key = lines.key()
    assert replace(lines, event_type="view").key() != key
    assert replace(lines, cleaning=Cleaning()).key() != key
    assert (
        replace(lines, cleaning=Cleaning(min_rating=3)).key()
        != replace(lines, cleaning=Cleaning()).key()
    )
    assert replace(lines, filter_seen="purchased", horizon_days=7).key() == key  # only its use
    (tmp_path / "users.txt").write_text("u\nv\nw\n")
    assert lines.key() != key


def test_a_file_of_items_is_not_the_same_file_of_users(tmp_path: Path) -> None:
    for name in ("events", "more"):
        (tmp_path / f"{name}.csv").write_text("user_id,item_id\nu,a\n")
    events, more = str(tmp_path / "events.csv"), str(tmp_path / "more.csv")
    keys = {
        TabularFile(path=[events, more]).key(),
        TabularFile(path=events, items_path=more).key(),
        TabularFile(path=events, users_path=more).key(),
    }
    assert len(keys) == 3


def test_changed_files_are_read_again(lines: Lines, tmp_path: Path) -> None:
    lines.prepare(tmp_path / "cache")
    (tmp_path / "users.txt").write_text("u\n")
    assert lines.prepare(tmp_path / "cache").n_events == 1


def test_the_same_file_elsewhere_is_the_same_data(lines: Lines, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = shutil.copy(tmp_path / "users.txt", tmp_path / "copy")
    other = replace(lines, path=str(copy))
    assert other.key() == lines.key()


def test_a_damaged_cache_is_read_again(lines: Lines, tmp_path: Path) -> None:
    lines.prepare(tmp_path / "cache")
    (events,) = (tmp_path / "cache").glob("*/events.parquet")
    events.write_bytes(b"half a file")
    assert lines.prepare(tmp_path / "cache").n_events == 3
    assert lines.n_readings == 2


def test_an_empty_file_is_refused_and_not_cached(lines: Lines, tmp_path: Path) -> None:
    (tmp_path / "users.txt").write_text("")
    for _ in range(2):
        with pytest.raises(DataError, match="lines has no events"):
            lines.prepare(tmp_path / "cache")
    assert [p.suffix for p in (tmp_path / "cache").iterdir()] == [".lock"]


def test_cleaning_is_applied_and_reported(lines: Lines, tmp_path: Path) -> None:
    cleaned = replace(lines, cleaning=Cleaning()).prepare(tmp_path / "cache")
    assert [r["rule"] for r in cleaned.cleaning] == ["missing users", "exact duplicates"]


def test_the_use_settings_of_a_source_can_be_changed(lines: Lines) -> None:
    assert (lines.filter_seen, lines.horizon_days, lines.target_events) == (
        "none",
        28,
        ("purchase",),
    )
    assert replace(lines, filter_seen="interacted").filter_seen == "interacted"


def test_two_processes_read_once(lines: Lines, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        digests = pool.starmap(_prepared_digest, [(lines.path, lines.diary, tmp_path)] * 2)
    assert digests[0] == digests[1]
    assert lines.n_readings == 1


def _prepared_digest(path: str, diary: str, folder: Path) -> str:
    return Lines(path=path, diary=diary).prepare(folder / "cache").digest
