"""A batch that is killed goes on where it was, and ends as one that nobody disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock
from tests.patience import PATIENCE

from growthlab.bundle import batch
from growthlab.bundle.answer_table import RequestRows
from growthlab.bundle.batch import recommend_file, score_file
from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import ConfigError, DataError

BLOCK, N_BLOCKS = 50, 60
CODE = """
import sys, time
from growthlab.bundle import batch
batch.BLOCK_ROWS = {block}
answer = batch.recommendations
def halt_after(*args, **named):
    if args[1].first >= {last}:
        time.sleep({patience})  # until it is killed
    return answer(*args, **named)
batch.recommendations = halt_after
batch.recommend_file(*sys.argv[1:], k=3)
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """3,000 rows in 60 blocks, every second one of a customer whom the bundle knows."""
    monkeypatch.setattr(batch, "BLOCK_ROWS", BLOCK)
    path = tmp_path / "users.parquet"
    users = ["anna.schmidt@example.org" if i % 2 else f"u{i}" for i in range(BLOCK * N_BLOCKS)]
    pd.DataFrame({"user_id": users}).to_parquet(path)
    return path


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first row of each block that is answered in this process."""
    firsts: list[int] = []
    answer = batch.recommendations

    def watched(*args: object, **named: object) -> object:
        firsts.append(args[1].first)  # type: ignore[attr-defined]
        return answer(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "recommendations", watched)
    return firsts


def rows_of(journal: Path) -> list[int]:
    return list(json.loads(journal.read_text())["rows"]) if journal.is_file() else []


def killed(folder: Path, source: Path, target: Path, after: int) -> int:
    """Kill a batch with SIGKILL once its journal has more than `after` blocks; how many it has."""
    code = CODE.format(block=BLOCK, last=BLOCK * (after + 1), patience=PATIENCE)
    words = [sys.executable, "-c", code, str(folder), str(source), str(target)]
    process = subprocess.Popen(words, env=dict(os.environ))
    journal = target.parent / f".{target.name}.blocks" / "journal.json"
    try:
        while len(rows_of(journal)) <= after:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.001)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    return len(rows_of(journal))


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_killed_batch_goes_on_and_ends_as_an_undisturbed_one(
    folder: Path, source: Path, tmp_path: Path, counted: list[int], kind: str
) -> None:
    expected, target = tmp_path / f"undisturbed.{kind}", tmp_path / f"out.{kind}"
    assert recommend_file(folder, source, expected, k=3) == 3 * BLOCK * N_BLOCKS
    assert len(counted) == N_BLOCKS
    n_done = killed(folder, source, target, 2)
    assert 2 < n_done < N_BLOCKS
    assert not target.exists()
    counted.clear()
    assert recommend_file(folder, source, target, k=3) == 3 * BLOCK * N_BLOCKS
    assert counted == [BLOCK * number for number in range(n_done, N_BLOCKS)]
    assert target.read_bytes() == expected.read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".out")] == []


def test_blocks_of_another_question_are_not_used(
    folder: Path, source: Path, tmp_path: Path, counted: list[int]
) -> None:
    target = tmp_path / "out.csv"
    killed(folder, source, target, 1)
    assert recommend_file(folder, source, target, k=2) == 2 * BLOCK * N_BLOCKS
    assert counted[0] == 0  # from the start
    assert pd.read_csv(target)["rank"].max() == 2


@pytest.mark.parametrize("ends", ["with the key", "without a key"])
def test_blocks_with_and_without_known_users_are_not_mixed(
    folder: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    key, none = os.environ["GROWTHLAB_KEY_FILE"], str(tmp_path / "none.key")
    begins, ends = (none, key) if ends == "with the key" else (key, none)
    expected, target = tmp_path / "undisturbed.csv", tmp_path / "out.csv"
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", ends)
    recommend_file(folder, source, expected, k=3)
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", begins)
    killed(folder, source, target, 2)
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", ends)
    recommend_file(folder, source, target, k=3)
    assert target.read_bytes() == expected.read_bytes()


def test_predictions_with_and_without_known_users_are_not_mixed(
    churn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "BLOCK_ROWS", 1)
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("user_id\n0042\n0042\n0042\n")
    answer = batch.predictions

    def interrupted(bundle: Bundle, rows: RequestRows) -> object:
        if rows.first == 1:
            raise KeyboardInterrupt
        return answer(bundle, rows)

    monkeypatch.setattr(batch, "predictions", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_file(churn_folder, source, target)
    monkeypatch.setattr(batch, "predictions", answer)
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "none.key"))
    score_file(churn_folder, source, target)
    served = pd.read_csv(target)["served"]
    assert "known" not in set(served)
    assert len(served) == 3


def test_after_a_mistake_nothing_stays(
    folder: Path, source: Path, tmp_path: Path, counted: list[int]
) -> None:
    asked = pd.DataFrame({"history": ["tea"] * 120 + ['["tea"']})
    asked.to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(DataError, match=r"row 121: the history .* is no JSON list"):
        recommend_file(folder, tmp_path / "in.csv", tmp_path / "out.csv")
    assert sorted(p.name for p in tmp_path.iterdir() if "out" in p.name) == []


def test_an_interrupt_leaves_what_is_done(
    folder: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = batch.recommendations

    def interrupted(*args: object, **named: object) -> object:
        if args[1].first == 2 * BLOCK:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return answer(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "recommendations", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recommend_file(folder, source, tmp_path / "out.csv", k=3)
    assert rows_of(tmp_path / ".out.csv.blocks" / "journal.json") == [3 * BLOCK] * 2


def test_two_processes_do_not_write_one_target(folder: Path, source: Path, tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".out.csv.blocks.lock"),
        pytest.raises(ConfigError, match=r"another process is writing .*out\.csv: wait for it"),
    ):
        recommend_file(folder, source, tmp_path / "out.csv")


def test_every_way_to_ask_has_a_column(folder: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(
        "user_id,history,item,basket,personalised\n"
        "anna.schmidt@example.org,,,,\n"
        ",coffee,,,\n"
        ",,tea,,\n"
        ',,,"[""tea"", ""cup""]",\n'
        "anna.schmidt@example.org,,,,false\n"
    )
    recommend_file(folder, source, target, k=1)
    table = pd.read_csv(target)
    served = ["known", "folded_in", "similar_items", "basket", "not_personalised"]
    assert table["served"].tolist() == served
    assert table["level"].tolist() == [0, 1, 1, 1, 4]
    assert table["reason"][2] == "because of tea"
    source.write_text("user_id,personalised\na,perhaps\n")
    with pytest.raises(DataError, match="row 1: personalised is true or false, got 'perhaps'"):
        recommend_file(folder, source, target)
