"""A promotion, a rollback or an export that is killed at any of its steps is completed or taken back."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from tests.new_stores import CopiedStores

from growthlab.registry import registry_lock, unfinished_versions
from growthlab.registry.model_registry import (
    FIRST,
    PROMOTION,
    ROLLBACK,
    ChampionChange,
    history_of,
    move_champion,
    register_bundle,
    settle_interrupted,
)
from growthlab.registry.unfinished_versions import finish_version
from growthlab.tracking.process_identity import PROCESS

WHEN = "2024-04-01T12:00:00+00:00"
DEAD = f"{socket.gethostname()}:1:0"  # number 1 began at another time
TAGS = {"gate.decision": "promoted", "gate.gain": "0.2"}
N_STEPS = 40  # more than any change has


class Killed(BaseException):
    """The process is killed: nothing after this happens."""


class DyingClient:
    """A client that makes `n` calls; after that the process is dead, and no call gets through."""

    def __init__(self, client: MlflowClient, n: int) -> None:
        self._client, self._left = client, n

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method

        def call(*args: Any, **options: Any) -> Any:
            if self._left <= 0:
                raise Killed
            self._left -= 1
            return method(*args, **options)

        return call


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, copied_stores: CopiedStores) -> MlflowClient:
    """A registry on sqlite, shared: each test has models of its own."""
    uri = copied_stores.uri(tmp_path_factory.mktemp("registry"))
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Inside, what this process leaves looks like that of a process that was killed."""
    for module in (registry_lock, unfinished_versions):
        monkeypatch.setattr(module, "this_process", lambda: DEAD)
    return monkeypatch


def change(version: str, before: str | None, how: str = PROMOTION) -> ChampionChange:
    return ChampionChange(version=version, before=before, how=how, by="anna", at=WHEN, code="dead")


def state(client: MlflowClient, name: str) -> dict[str, Any]:
    """All that is known of the model and its versions."""
    model = client.get_registered_model(name)
    versions = client.search_model_versions(f"name = '{name}'")
    locks = client.search_registered_models(filter_string=f"name LIKE '{name}.lock%'")
    return {
        "aliases": {k: str(v) for k, v in model.aliases.items()},
        "tags": model.tags,
        "versions": {str(v.version): (v.tags, v.description or "") for v in versions},
        "locks": [lock.name for lock in locks],
    }


def with_champion(client: MlflowClient, name: str) -> None:
    """A model whose first version is champion, and whose second one is challenger."""
    client.create_registered_model(name)
    for _ in range(2):
        client.create_model_version(name, source="file:///nowhere", run_id="r1")
    move_champion(client, name, change("1", None, FIRST), TAGS)
    client.set_model_version_tag(name, "2", "gate.decision", "refused")
    client.set_model_version_tag(name, "2", "gate.reason", "too slow")
    client.update_model_version(name, "2", "refused once")
    client.set_registered_model_alias(name, "challenger", "2")


def as_killed(client: MlflowClient, name: str, n: int, new: ChampionChange) -> bool:
    """Make the change, and be killed after `n` calls; whether it was killed."""
    try:
        move_champion(DyingClient(client, n), name, new, TAGS, "better")  # type: ignore[arg-type]
    except Killed:
        return True
    return False


@pytest.mark.parametrize("how", [PROMOTION, ROLLBACK])
def test_a_change_that_was_killed_at_any_step_is_completed_or_taken_back(
    client: MlflowClient, dying: pytest.MonkeyPatch, how: str
) -> None:
    whole = f"{how}-whole"
    with_champion(client, whole)
    new = change("2", "1", how)
    old = state(client, whole)
    move_champion(client, whole, new, TAGS, "better")
    done = state(client, whole)
    assert done["aliases"] == {"champion": "2"}
    outcomes = []
    for n in range(N_STEPS):
        name = f"{how}-{n}"
        with_champion(client, name)
        if not as_killed(client, name, n, new):
            assert state(client, name) == done
            break
        settle_interrupted(client, name)
        with registry_lock.locked_registry(client, name, "bert"):  # a dead holder's lock is taken
            pass
        outcomes.append(state(client, name))
        assert outcomes[-1] in (old, done), n
        if outcomes[-1] == old:
            move_champion(client, name, new, TAGS, "better")
        assert state(client, name) == done
        assert len(history_of(client, name)) == 2
    else:
        raise AssertionError("it was always killed")
    assert old in outcomes
    assert done in outcomes


def test_a_change_whose_record_cannot_be_written_is_taken_back_at_once(
    client: MlflowClient,
) -> None:
    with_champion(client, "full")
    before = state(client, "full")

    def record() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        move_champion(client, "full", change("2", "1"), TAGS, "better", record)
    assert state(client, "full") == before


@pytest.fixture
def run_id(client: MlflowClient, tmp_path: Path) -> str:
    name = f"of {len(client.search_experiments())}"
    experiment = client.create_experiment(name, artifact_location=tmp_path.as_uri())
    return str(client.create_run(experiment).info.run_id)


def uri_of(client: MlflowClient) -> str:
    return str(client.tracking_uri)


def models(client: MlflowClient, run_id: str) -> list[Any]:
    experiment = client.get_run(run_id).info.experiment_id
    return list(client.search_logged_models([experiment]))


@pytest.mark.parametrize("step", ["log_pyfunc", "create_model_version", "version_is_created"])
def test_an_export_that_was_killed_is_continued(
    client: MlflowClient,
    run_id: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    name = "corner_shop-top_n"
    with monkeypatch.context() as killed:
        for module in (registry_lock, unfinished_versions):
            killed.setattr(module, "this_process", lambda: DEAD)
        if step == "log_pyfunc":  # the files are there, and the model is not ready
            killed.setattr(mlflow.MlflowClient, "finalize_logged_model", dies)
        if step == "create_model_version":
            killed.setattr(mlflow.MlflowClient, "create_model_version", dies)
        try:
            register_bundle(folder, uri=uri_of(client), run_id=run_id, client=client)
        except Killed:
            assert step != "version_is_created"
    n_before = len(client.search_model_versions(f"name = '{name}'"))
    registered = register_bundle(folder, uri=uri_of(client), run_id=run_id, client=client)
    n_after = len(client.search_model_versions(f"name = '{name}'"))
    assert n_after == n_before + (step != "version_is_created")
    (model,) = models(client, run_id)
    assert model.model_id == registered.model_id
    finish_version(client, name, registered.version)
    version = client.get_model_version(name, registered.version)
    assert PROCESS not in version.tags
    assert version.run_id == run_id
    # without repeat the version that was decided is the answer
    again = register_bundle(folder, uri=uri_of(client), run_id=run_id, client=client, repeat=False)
    assert again == registered
    client.delete_registered_model(name)


def dies(*_: Any, **__: Any) -> None:
    raise Killed


def test_a_version_that_another_run_left_undecided_is_withdrawn(
    client: MlflowClient, run_id: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = client.create_run(client.get_run(run_id).info.experiment_id).info.run_id
    with monkeypatch.context() as killed:
        killed.setattr(unfinished_versions, "this_process", lambda: DEAD)
        left = register_bundle(folder, uri=uri_of(client), run_id=other, client=client)
    location = Path(
        client.get_logged_model(left.model_id).artifact_location.removeprefix("file://")
    )
    assert (location / "MLmodel").exists()
    alive = register_bundle(folder, uri=uri_of(client), run_id=run_id, client=client)
    (version,) = client.search_model_versions(f"name = '{alive.name}'")
    assert version.run_id == run_id
    assert not location.exists()
    assert [m.model_id for m in models(client, run_id)] == [alive.model_id]
    client.delete_registered_model(alive.name)


def test_a_rollback_is_noted_once(client: MlflowClient, dying: pytest.MonkeyPatch) -> None:
    with_champion(client, "noted")
    move_champion(client, "noted", change("2", "1"), TAGS, "better")
    back = replace(change("1", "2", ROLLBACK), why="complaints")
    for n in range(N_STEPS):  # killed again and again, each time a little later
        if not as_killed(client, "noted", n, back):
            break
        settle_interrupted(client, "noted")
        if state(client, "noted")["aliases"]["champion"] == "1":
            break
    description = client.get_model_version("noted", "2").description
    assert description.count("rolled back") == 1
