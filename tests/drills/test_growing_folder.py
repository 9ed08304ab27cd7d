"""A folder to which days are added, prepared under kills and on a full disk: old or new, never half."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.drills.test_full_disk import disk, free_bytes  # noqa: F401

from growthlab.data.event_log import EventLog

pytestmark = pytest.mark.drill

Desk = Any  # of conftest.py
WORDS = ("prepare", "data=tabular_file", "data.path=days", "data.event_type=purchase")
N_KILLS = 20
N_ROWS = 20_000


def add_day(folder: Path, day: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = (
        f"c{n % 997},i{n % 89},2024-05-{day:02d} {n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}"
        for n in range(N_ROWS)
    )
    (folder / f"{day}.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")


def content(output: str) -> str:
    """The digest that `prepare` prints."""
    match = re.search(r"content (\w+);", output)
    assert match is not None, output
    return match[1]


def saved_digests(desk: Desk) -> set[str]:
    """The beginning of the digest of every log in the cache, each of which opens and holds what it says."""
    logs = [EventLog.open(path.parent) for path in (desk.folder / ".growthlab").rglob("log.json")]
    assert all(log.n_events % N_ROWS == 0 for log in logs)
    return {log.digest[:12] for log in logs}


def test_kills_leave_the_old_log_or_the_new_one(
    tmp_path: Path, new_desk: Callable[[Path], Desk]
) -> None:
    whole, desk = new_desk(tmp_path / "whole"), new_desk(tmp_path / "desk")
    for day in (1, 2, 3):
        add_day(whole.folder / "days", day)
        add_day(desk.folder / "days", day)
    assert desk.run(*WORDS) == 0, desk.output
    before = content(desk.output)
    for day in (4, 5):
        add_day(whole.folder / "days", day)
        add_day(desk.folder / "days", day)
    seconds = whole.seconds_of(*WORDS)
    expected, rng = content(whole.output), random.Random(0)
    for _ in range(N_KILLS):
        desk.kill_after(rng.uniform(0, 0.8 * seconds), *WORDS)
        assert before in saved_digests(desk)
    assert desk.run(*WORDS) == 0, desk.output
    assert content(desk.output) == expected
    assert {before, expected} <= saved_digests(desk)


def test_a_full_disk_is_one_line_and_leaves_the_old_log(
    disk: Path,  # noqa: F811
    new_desk: Callable[[Path], Desk],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = new_desk(disk / "desk")
    (disk / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(disk / "tmp"))
    add_day(desk.folder / "days", 1)
    assert desk.run(*WORDS) == 0, desk.output
    before = content(desk.output)
    add_day(desk.folder / "days", 2)
    filler = disk / "filler"
    for share in (0.0, 0.002, 0.01, 0.03):  # with more room it may fit
        filler.unlink(missing_ok=True)
        filler.write_bytes(bytes(int(free_bytes(disk) * (1 - share))))
        status = desk.run(*WORDS)
        assert share or status, "there was no room at all"
        filler.unlink()
        assert saved_digests(desk) >= {before}
        assert "Traceback" not in desk.output
        if not status:
            break
        assert status in (1, 2), desk.output
        assert "No space left" in desk.output.splitlines()[-1]
    assert desk.run(*WORDS) == 0, desk.output
    assert content(desk.output) != before
