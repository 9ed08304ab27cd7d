"""The challenger is named by the id of its run, or by the first characters of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from growthlab.core.errors import ConfigError
from growthlab.promotion.model_run import ModelRun
from growthlab.tracking import find_run


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An empty store."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    return SimpleNamespace(client=client, uri=uri, name=uri, require_exists=lambda *_: None)


def run(store: Any, experiment: str) -> str:
    """Log a finished run that could be promoted, and return its id."""
    tags = {"kind": "model", "task": "top_n", "data": "shop", "exportable": "yes"}
    created = store.client.create_run(store.client.create_experiment(experiment), tags=tags)
    store.client.set_terminated(created.info.run_id)
    return str(created.info.run_id)


def challenger_id(store: Any, word: str) -> str:
    """The id of the run that ``challenger=WORD`` names."""
    return ModelRun.named(store, f"challenger={word}", "top_n", Path(), index_above=9).id


def test_eight_characters_of_an_id_name_a_run_in_any_experiment(store: Any) -> None:
    one, other = run(store, "shop/top_n"), run(store, "drink/top_n")
    assert one[:8] != other[:8]
    for run_id in (one, other):
        assert {challenger_id(store, run_id[:n]) for n in (8, 20, 32)} == {run_id}
    for word in (one[:7], f"{one[:7]}%", f"{one[:8]}'", f"{one}0"):  # too short, or no beginning
        with pytest.raises(ConfigError, match=r"not found|Invalid value"):
            challenger_id(store, word)


def test_a_beginning_shared_by_two_runs_is_refused(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = [SimpleNamespace(info=SimpleNamespace(run_id=f"abcdef01{i}")) for i in "76"]
    monkeypatch.setattr(find_run, "_runs_beginning", lambda *_: two)
    line = "challenger=abcdef01 is the beginning of more than one run's id: abcdef016, abcdef017"
    with pytest.raises(ConfigError, match=line):
        challenger_id(store, "abcdef01")
