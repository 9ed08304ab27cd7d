"""Two comparisons at once on a new store both finish."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.drill


def test_two_comparisons_at_once_on_a_new_store_both_finish(
    tmp_path: Path, new_desk: Callable[[Path], Any], shop_words: tuple[str, ...]
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    store = (
        f"tracking.uri=sqlite:///{shared / 'mlflow.db'}",
        f"tracking.artifacts={shared / 'mlartifacts'}",
        f"cache={shared / 'cache'}",
    )
    words = ("compare", "task=top_n", "models=[popularity,item_knn,neumf]", *store, *shop_words)
    desks = [new_desk(tmp_path / f"desk-{seed}") for seed in (1, 2)]
    running = [
        desk.start(*words, f"seed={seed}", "model.trainer.epochs=2", "metrics=[ranking/ndcg]")
        for seed, desk in enumerate(desks, start=1)
    ]
    for desk, process in zip(desks, running, strict=True):
        assert desk.wait(process) == 0, desk.output
    both = new_desk(shared)
    assert both.run_statuses("comparison") == Counter(FINISHED=2)
    assert both.run_statuses("model") == Counter(FINISHED=6)
    with sqlite3.connect(shared / "mlflow.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
