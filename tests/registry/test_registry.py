"""Champions of the registry: one at a time, changed by several processes, and rolled back."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tests.new_stores import CopiedStores
from tests.patience import PATIENCE

from growthlab.core.errors import ExportError
from growthlab.promotion.model_run import newest_version
from growthlab.registry.model_registry import (
    FIRST,
    PROMOTION,
    ROLLBACK,
    ChampionChange,
    RegisteredVersion,
    champion_of,
    champion_stack,
    history_of,
    move_champion,
    note_refusal,
    previous_champion,
    set_challenger_alias,
    withdraw_version,
)
from growthlab.registry.registry_lock import locked_registry

WHEN = "2024-04-01T12:00:00+00:00"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, copied_stores: CopiedStores) -> MlflowClient:
    """A registry on sqlite, shared: each test has a model of its own."""
    uri = copied_stores.uri(tmp_path_factory.mktemp("registry"))
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def model(client: MlflowClient, request: pytest.FixtureRequest) -> str:
    """A registered model with three versions and no champion."""
    name = request.node.name[:60]
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, source="file:///nowhere", run_id="r1")
    return name


def change(
    version: str, before: str | None, how: str = PROMOTION, by: str = "anna"
) -> ChampionChange:
    return ChampionChange(version=version, before=before, how=how, by=by, at=WHEN, code="deadbeef")


def aliases(client: MlflowClient, name: str) -> dict[str, str]:
    return {k: str(v) for k, v in client.get_registered_model(name).aliases.items()}


def test_a_model_that_is_not_registered_has_no_champion(client: MlflowClient) -> None:
    assert champion_of(client, "nothing") is None
    assert history_of(client, "nothing") == []
    with pytest.raises(ExportError, match="nothing has no champion in the registry"):
        previous_champion(client, "nothing")


def test_the_alias_the_tags_and_the_history_change_together(
    client: MlflowClient, model: str
) -> None:
    client.set_registered_model_alias(model, "challenger", "2")
    move_champion(client, model, change("1", None, FIRST))
    move_champion(client, model, change("2", "1"), {"gate.decision": "promoted"}, "why it is")
    assert aliases(client, model) == {"champion": "2"}  # a champion challenges nobody
    version = client.get_model_version(model, "2")
    assert (version.tags["gate.decision"], version.description) == ("promoted", "why it is")
    assert history_of(client, model) == [change("1", None, FIRST), change("2", "1")]
    champion = champion_of(client, model)
    assert champion is not None
    assert str(champion.version) == "2"
    assert newest_version(client, model, "r1") == "3"
    assert newest_version(client, model, "r2") is None


def test_a_decision_against_an_earlier_champion_is_refused_and_changes_nothing(
    client: MlflowClient, model: str
) -> None:
    move_champion(client, model, change("1", None, FIRST))
    move_champion(client, model, change("2", "1", by="bert"))
    line = (
        rf"the champion of {model} is now version 2 \(promotion by bert at 2024.*\), and this was "
        "decided against version 1: nothing was changed; run the command again"
    )
    with pytest.raises(ExportError, match=line):
        move_champion(client, model, change("3", "1"), {"gate.decision": "promoted"})
    assert aliases(client, model)["champion"] == "2"
    assert "gate.decision" not in client.get_model_version(model, "3").tags
    assert len(history_of(client, model)) == 2


def test_rollbacks_go_back_one_by_one_and_keep_the_history(
    client: MlflowClient, model: str
) -> None:
    for version, before in (("1", None), ("2", "1"), ("3", "2")):
        move_champion(client, model, change(version, before))
    for now, before in (("3", "2"), ("2", "1")):
        assert previous_champion(client, model) == (now, before)
        move_champion(client, model, change(before, now, ROLLBACK))
    with pytest.raises(ExportError, match="has had no champion before version 1: nothing to go"):
        previous_champion(client, model)
    assert [c.version for c in history_of(client, model)] == ["1", "2", "3", "2", "1"]


def test_the_description_of_a_version_that_was_left_says_when_by_whom_and_why(
    client: MlflowClient, model: str
) -> None:
    move_champion(client, model, change("1", None, FIRST))
    move_champion(client, model, change("2", "1"), described="better")
    move_champion(client, model, replace(change("1", "2", ROLLBACK), why="complaints"))
    move_champion(client, model, change("3", "1"))  # nothing was said of it
    move_champion(client, model, change("1", "3", ROLLBACK))
    said = [client.get_model_version(model, v).description for v in ("1", "2", "3")]
    assert not said[0]
    assert said[1:] == [
        f"better; rolled back {WHEN} by anna: complaints",
        f"rolled back {WHEN} by anna",
    ]


def test_a_champion_that_was_set_by_hand_counts() -> None:
    assert champion_stack([], "4") == ["4"]
    history = [change("1", None), change("3", "2")]  # 2 was set by hand in between
    assert champion_stack(history, "3") == ["1", "2", "3"]
    assert champion_stack(history, "5") == ["1", "2", "3", "5"]


def test_the_lock_is_gone_when_the_work_is_done_or_failed(client: MlflowClient, model: str) -> None:
    def work() -> None:
        with locked_registry(client, model, "anna"):
            assert client.get_registered_model(f"{model}.lock").tags["by"] == "anna"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    with pytest.raises(MlflowException, match="not found"):
        client.get_registered_model(f"{model}.lock")


def test_the_lock_of_a_process_that_died_is_taken_over(client: MlflowClient, model: str) -> None:
    client.create_registered_model(f"{model}.lock", tags={"token": "dead", "by": "carl"})
    with locked_registry(client, model, "anna", lease=0.3):
        assert client.get_registered_model(f"{model}.lock").tags["by"] == "anna"
    left = client.search_registered_models(f"name LIKE '{model}.lock%'")
    assert list(left) == []


def test_a_lock_that_changes_hands_all_the_time_is_given_up(
    client: MlflowClient, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.create_registered_model(f"{model}.lock", tags={"token": "0", "by": "carl"})
    tokens = iter(range(1, 1000))

    waits = time.sleep

    def wait(_: float) -> None:
        waits(0.02)
        client.set_registered_model_tag(f"{model}.lock", "token", str(next(tokens)))

    monkeypatch.setattr("growthlab.registry.registry_lock.time.sleep", wait)
    with (
        pytest.raises(ExportError, match=rf"{model}\.lock is held by carl since"),
        locked_registry(client, model, "anna", lease=0.2),
    ):
        pass


def test_only_a_version_that_no_other_process_promoted_is_withdrawn(
    client: MlflowClient, model: str
) -> None:
    logged = client.create_logged_model("0", name="of the run")
    by_bert, nobodys = (
        RegisteredVersion(model, version, logged.model_id) for version in ("2", "3")
    )
    move_champion(client, model, change("2", None, FIRST, by="bert"))
    withdraw_version(client, by_bert, "anna")
    assert aliases(client, model) == {"champion": "2"}
    move_champion(client, model, change("1", "2"))
    withdraw_version(client, by_bert, "anna")  # a rollback would bring it back
    assert client.get_model_version(model, "2").aliases == []
    set_challenger_alias(client, nobodys)
    withdraw_version(client, nobodys, "anna")
    assert aliases(client, model) == {"champion": "1", "challenger": "3"}
    assert client.get_logged_model(logged.model_id).model_id == logged.model_id

    client.delete_registered_model_alias(model, "challenger")
    withdraw_version(client, nobodys, "anna")
    with pytest.raises(MlflowException, match="not found"):
        client.get_model_version(model, "3")
    with pytest.raises(MlflowException, match="not found"):
        client.get_logged_model(logged.model_id)


def test_a_refusal_is_noted_on_versions_that_never_were_champion(
    client: MlflowClient, model: str
) -> None:
    client.set_registered_model_alias(model, "champion", "1")  # by hand
    move_champion(client, model, change("2", "1"), {"gate.decision": "promoted"})
    move_champion(client, model, change("1", "2", ROLLBACK))
    for version in ("1", "2", "3"):
        note_refusal(client, model, version, {"gate.decision": "refused"}, "anna")
    found = [client.get_model_version(model, v).tags.get("gate.decision") for v in ("1", "2", "3")]
    assert found == [None, "promoted", "refused"]


def test_a_new_decision_takes_the_place_of_an_earlier_one_of_any_release(
    client: MlflowClient, model: str
) -> None:
    old = {"gate.checks": '[{"name": "bundle_mb", "passed": true}]', "gate.decision": "refused"}
    for key, value in (old | {"split": "global_time"}).items():
        client.set_model_version_tag(model, "1", key, value)
        client.set_model_version_tag(model, "2", key, value)
    new = {"gate.decision": "refused", "gate.bundle_mb": "failed: 9.0"}
    note_refusal(client, model, "1", new, "anna")
    assert client.get_model_version(model, "1").tags == new | {"split": "global_time"}
    assert client.get_model_version(model, "2").tags == old | {"split": "global_time"}


MOVE = """
import sys
from mlflow import MlflowClient
from growthlab.core.errors import ExportError
from growthlab.registry.model_registry import ChampionChange, move_champion
uri, name, version = sys.argv[1:]
client = MlflowClient(tracking_uri=uri, registry_uri=uri)
client.search_registered_models(max_results=1)
print("ready", flush=True)
sys.stdin.readline()
change = ChampionChange(version, "1", "promotion", f"process {version}", "2024-04-01", "deadbeef")
try:
    move_champion(client, name, change)
except ExportError as error:
    sys.exit(str(error))
"""


def race(uri: str, name: str) -> list[tuple[int, str]]:
    """Status and last words of two processes that promote versions 2 and 3 against version 1."""
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", MOVE, uri, name, version],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )
        for version in ("2", "3")
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=PATIENCE)[1] for process in running]
    return [(p.returncode, words.strip()) for p, words in zip(running, said, strict=True)]


def assert_one_wins(client: MlflowClient, name: str, ends: list[tuple[int, str]]) -> None:
    winner = aliases(client, name)["champion"]
    assert sorted(status for status, _ in ends) == [0, 1], ends
    (message,) = [words for status, words in ends if status == 1]
    assert f"is now version {winner} (promotion by process {winner} at 2024-04-01)" in message
    assert [c.version for c in history_of(client, name)] == ["1", winner]


def test_of_two_processes_at_once_one_wins_and_the_other_gets_an_error(
    client: MlflowClient, model: str
) -> None:
    move_champion(client, model, change("1", None, FIRST))
    assert_one_wins(client, model, race(client.tracking_uri, model))
