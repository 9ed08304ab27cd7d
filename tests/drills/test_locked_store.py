"""A store that another process has locked for a minute: every command waits, says so once, and ends alike."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_promote import LENIENT

pytestmark = pytest.mark.drill

Desk = Any  # of conftest.py
SECONDS = 60.0
MODES = ("EXCLUSIVE", "IMMEDIATE")  # nobody reads either, nobody else writes
COMPARE = ("compare", "task=top_n", "metrics=[ranking/ndcg]", "models=[popularity,markov]")
TUNE = ("tune", "task=top_n", "metrics=[ranking/ndcg]", "model=recommend/item_knn", "study=drill")


def locked_while_it_runs(
    desk: Desk, after: str, databases: tuple[str, ...], mode: str, *words: str
) -> None:
    """Run a command, and lock its databases for a minute once its output says `after`."""
    process = desk.start(*words)
    output = desk.folder / "output.txt"
    while process.poll() is None and after not in output.read_text():
        time.sleep(0.01)
    assert process.poll() is None, output.read_text()
    locks = [
        sqlite3.connect(desk.folder / name, isolation_level=None, timeout=60) for name in databases
    ]
    for lock in locks:
        lock.execute(f"BEGIN {mode}")
    began = time.monotonic()
    try:
        while time.monotonic() - began < SECONDS:
            time.sleep(0.1)
        assert process.poll() is None, "the lock met nothing"
    finally:
        for lock in locks:
            lock.rollback()
            lock.close()
    assert desk.wait(process) == 0, desk.output
    lines = [line for line in desk.output.splitlines() if "locked" in line]
    assert len(lines) <= len(databases), desk.output
    assert "Traceback" not in desk.output


def run_of(desk: Desk, entry: str) -> str:
    """The run of an entry of the comparison."""
    ids = desk.query(
        "SELECT t.run_uuid FROM tags t JOIN tags p ON p.run_uuid = t.run_uuid "
        f"WHERE t.key = 'entry' AND t.value = '{entry}' AND p.key = 'mlflow.parentRunId'"
    )
    ((run_id,),) = ids
    return run_id


def champions(desk: Desk) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(desk.folder / "mlflow.db")) as connection:
        return connection.execute("SELECT alias, version FROM registered_model_aliases").fetchall()


@pytest.mark.parametrize("mode", MODES)
def test_commands_end_as_they_would_without_the_lock(
    mode: str, tmp_path: Path, new_desk: Callable[[Path], Desk], shop_words: tuple[str, ...]
) -> None:
    free, held = new_desk(tmp_path / "free"), new_desk(tmp_path / "held")
    for desk in (free, held):
        assert desk.run("train", "task=top_n", "model=recommend/popularity", *shop_words) == 0, (
            desk.output
        )
    assert free.run(*COMPARE, *shop_words) == 0, free.output
    both = (*TUNE, *shop_words, "storage=sqlite:///studies.db", "budget.trials=2")
    assert free.run(*both, "budget.trials=1") == 0, free.output
    assert held.run(*both, "budget.trials=1") == 0, held.output
    assert free.run(*both) == 0, free.output

    locked_while_it_runs(held, "popularity seed 0:", ("mlflow.db",), mode, *COMPARE, *shop_words)
    assert held.metrics() == free.metrics()
    databases = ("mlflow.db", "studies.db")
    locked_while_it_runs(held, "cutoff", databases, mode, *both)
    trials = (
        "SELECT m.key, m.value FROM latest_metrics m JOIN tags t ON t.run_uuid = m.run_uuid "
        "WHERE t.key = 'trial' AND m.key LIKE 'valid/%' ORDER BY m.key, m.value"
    )
    assert held.query(trials) == free.query(trials) != []

    first, second = (run_of(held, entry) for entry in ("popularity seed 0", "markov seed 0"))
    alone = "gate.first_against=[]"  # it is worse than the winner, on purpose
    export = ("export", "task=top_n", f"run={first}", "to=bundle", *LENIENT, alone)
    locked_while_it_runs(held, "logged the bundle", ("mlflow.db",), mode, *export)
    assert champions(held) == [("champion", 1)]
    promote = ("promote", "task=top_n", f"challenger={second}", *LENIENT)
    locked_while_it_runs(held, "evaluations on this window", ("mlflow.db",), mode, *promote)
    assert champions(held) == [("champion", 2)]
