"""Which run a word names that stands before the gate: by its id, or by the beginning of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from growthlab.core.errors import ConfigError
from growthlab.promotion import judged_run
from growthlab.promotion.judged_run import JudgedRun


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An empty store."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return SimpleNamespace(client=MlflowClient(uri, uri), uri=uri)


def run(store: Any, experiment: str) -> str:
    """A finished run that could be promoted; its id."""
    tags = {"kind": "model", "task": "top_n", "data": "shop", "exportable": "yes"}
    found = store.client.create_run(store.client.create_experiment(experiment), tags=tags)
    store.client.set_terminated(found.info.run_id)
    return str(found.info.run_id)


def named(store: Any, word: str) -> str:
    return JudgedRun.named(store, f"challenger={word}", "top_n", Path(), index_above=9).id


def test_eight_signs_of_an_id_name_a_run_of_whatever_experiment(store: Any) -> None:
    one, other = run(store, "shop/top_n"), run(store, "drink/top_n")
    assert one[:8] != other[:8]
    for wanted in (one, other):
        assert {named(store, wanted), named(store, wanted[:8]), named(store, wanted[:20])} == {
            wanted
        }
    for word in (one[:7], f"{one[:7]}%", f"{one[:8]}'", f"{one}0"):  # too short, or no beginning
        with pytest.raises(ConfigError, match=r"not found|Invalid value"):
            named(store, word)


def test_a_beginning_that_two_runs_have_names_neither(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = [SimpleNamespace(info=SimpleNamespace(run_id=f"abcdef01{i}")) for i in "76"]
    monkeypatch.setattr(judged_run, "_begun", lambda *_: two)
    line = "challenger=abcdef01 is the beginning of more than one run's id: abcdef016, abcdef017"
    with pytest.raises(ConfigError, match=line):
        named(store, "abcdef01")
