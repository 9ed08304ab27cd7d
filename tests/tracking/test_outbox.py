"""An outbox: what it keeps, in which order it is sent, and what a kill or a stranger may leave in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from tests.new_stores import CopiedStores

from growthlab.cli.main import main
from growthlab.core.errors import ConfigError
from growthlab.tracking import outbox_calls
from growthlab.tracking.outbox import KEY, Outbox, left_outboxes, n_held_by_others, outbox_root
from growthlab.tracking.outbox_calls import plain, send
from growthlab.tracking.server_faults import is_away, refusal

SERVER = "http://me:hush@tracking.example:5000/"
LOCAL = "ab" * 16  # the id of a run that was begun without the server


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Outboxes of this test alone."""
    monkeypatch.setenv("GROWTHLAB_OUTBOX", str(tmp_path / "outbox"))
    return tmp_path / "outbox"


@pytest.fixture
def client(tmp_path: Path, copied_stores: CopiedStores) -> MlflowClient:
    """A store that stands for the server."""
    return MlflowClient(copied_stores.uri(tmp_path))


@pytest.fixture
def box() -> Iterator[Outbox]:
    """An empty outbox of this process."""
    made = Outbox.new(SERVER)
    yield made
    made.release()


def keep_a_run(box: Outbox, experiment: str, folder: Path) -> None:
    """A run of one metric, a parameter, a data set and files, begun and ended without the server."""
    tags = {KEY: LOCAL, "kind": "model"}
    box.add("create_run", {"experiment_id": experiment, "run_name": "a", "tags": tags})
    metrics, params = [Metric("m", 0.5, 7, 0)], [Param("p", "1")]
    box.add("log_batch", plain({"run_id": LOCAL, "metrics": metrics, "params": params}))
    data = DatasetInput(Dataset("d", "0", "growthlab", "{}"), [InputTag("context", "training")])
    box.add("log_inputs", plain({"run_id": LOCAL, "datasets": [data]}))
    (folder / "bundle").mkdir(parents=True)
    (folder / "page.html").write_text(f"run {LOCAL}")
    (folder / "bundle" / "manifest.json").write_text(LOCAL)
    box.add("log_artifacts", {"run_id": LOCAL}, folder)
    box.add("set_terminated", {"run_id": LOCAL, "status": "FINISHED", "end_time": 9})


def only_run(client: MlflowClient, experiment: str) -> object:
    (run,) = client.search_runs([experiment])
    return run


def test_a_whole_run_is_sent_under_the_id_that_the_server_gives(
    client: MlflowClient, box: Outbox, tmp_path: Path
) -> None:
    experiment = client.create_experiment("e", artifact_location=str(tmp_path / "files"))
    keep_a_run(box, experiment, tmp_path / "made")
    assert (send(client, box), box.n_waiting) == (5, 0)
    run = only_run(client, experiment)
    assert run.info.run_id != LOCAL
    assert (run.info.status, run.data.metrics, run.data.params) == (
        "FINISHED",
        {"m": 0.5},
        {"p": "1"},
    )
    assert run.inputs.dataset_inputs[0].dataset.name == "d"
    files = tmp_path / "files" / run.info.run_id / "artifacts"
    assert (files / "page.html").read_text() == f"run {run.info.run_id}"
    assert (files / "bundle" / "manifest.json").read_text() == LOCAL  # it is signed as it is


@pytest.mark.parametrize("killed_at", range(5))
def test_a_sender_that_is_killed_anywhere_is_followed_by_one_that_repeats_nothing(
    killed_at: int, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = client.create_experiment("e", artifact_location=str(tmp_path / "files"))
    first = Outbox.new(SERVER)
    keep_a_run(first, experiment, tmp_path / "made")
    send_one, sent = outbox_calls._send_one, []

    def killed(*given: object) -> None:
        send_one(*given)  # type: ignore[arg-type]
        sent.append(given)
        if len(sent) == killed_at + 1:  # it is on the server, and nobody has noted it
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outbox_calls, "_send_one", killed)
        with pytest.raises(KeyboardInterrupt):
            send(client, first)
    first.ids.clear()
    first.release()
    (second,) = left_outboxes(SERVER)
    assert send(client, second) == 5 - killed_at
    second.release()
    run = only_run(client, experiment)
    assert len(client.get_metric_history(run.info.run_id, "m")) == 1
    assert run.info.status == "FINISHED"
    assert list(left_outboxes(SERVER)) == []


def test_a_run_whose_answer_got_lost_is_not_created_twice(
    client: MlflowClient, box: Outbox, tmp_path: Path
) -> None:
    experiment = client.create_experiment("e", artifact_location=str(tmp_path / "files"))
    there = client.create_run(experiment, tags={KEY: LOCAL})
    keep_a_run(box, experiment, tmp_path / "made")
    send(client, box)
    assert only_run(client, experiment).info.run_id == there.info.run_id


def test_an_experiment_goes_by_its_name(client: MlflowClient, box: Outbox) -> None:
    call = {"experiment_id": "77", "experiment": "shop/top_n", "tags": {KEY: LOCAL}}
    box.add("create_run", call)
    send(client, box)
    known = client.get_experiment_by_name("shop/top_n")
    assert only_run(client, known.experiment_id).data.tags[KEY] == LOCAL


def test_half_a_line_of_a_killed_process_was_never_promised(client: MlflowClient) -> None:
    box = Outbox.new(SERVER)
    box.add("set_experiment_tag", {"experiment_id": "0", "key": "a", "value": "1"})
    with (box.folder / "journal.jsonl").open("a") as journal:
        journal.write('["set_experiment_tag", {"experim')
    box.release()
    (again,) = left_outboxes(SERVER)
    again.add("set_experiment_tag", {"experiment_id": "0", "key": "b", "value": "2"})
    assert send(client, again) == 2
    again.release()
    assert dict(client.get_experiment("0").tags) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("method", ["__init__", "delete_experiment", "download_artifacts"])
def test_another_call_than_those_of_an_outbox_is_refused(
    method: str, client: MlflowClient, box: Outbox
) -> None:
    box.add(method, {"experiment_id": "0"})
    with pytest.raises(ConfigError, match="which no outbox has: remove it"):
        send(client, box)


def test_an_outbox_is_private_and_names_its_server_without_a_password(box: Outbox) -> None:
    box.add("set_tag", {"run_id": LOCAL, "key": "a", "value": "1"})
    modes = {path.stat().st_mode & 0o077 for path in box.folder.rglob("*")}
    assert modes == {0}
    assert "hush" not in "".join(p.read_text() for p in box.folder.glob("*.json*"))
    assert "hush" not in str(box.folder)
    assert json.loads((box.folder / "about.json").read_text()) == {
        "server": "http://tracking.example:5000"
    }


def test_an_outbox_in_use_is_nobody_else_s_and_an_empty_one_leaves_nothing(
    own_folder: Path,
) -> None:
    box = Outbox.new(SERVER)
    assert n_held_by_others(SERVER) == 1
    box.release()
    assert [path for path in own_folder.rglob("*") if path.is_file()] == []


def test_outboxes_are_never_beside_a_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GROWTHLAB_OUTBOX")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert outbox_root() == tmp_path / "growthlab" / "outbox"


def test_sync_needs_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sync", "tracking=local", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"]
    assert main(words) == 2
    assert "is no tracking server" in capsys.readouterr().err


def test_away_is_told_from_refused() -> None:
    assert is_away(ConnectionRefusedError(111, "Connection refused"))
    assert is_away(RuntimeError("API request to x failed with error code 503 != 200."))
    wrong = RuntimeError("API request to x failed with error code 401 != 200.")
    assert not is_away(wrong)
    assert refusal(wrong) is not None
    assert not is_away(ValueError("the model is wrong"))
    bucket = RuntimeError("failed with error code 500 : NoSuchBucket")
    assert not is_away(bucket)
