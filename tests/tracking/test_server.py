"""A team's tracking server: PostgreSQL behind it, files on S3, and away whenever it likes."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from deploy.server_parts import BUCKET, TrackingServer
from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from mlflow.store.artifact import s3_artifact_repo
from tests.tracking_server import tracking_server

from growthlab.cli.main import main
from growthlab.core.errors import ConfigError
from growthlab.core.storage_faults import ServerGoneError
from growthlab.tracking import outbox_calls, server_client
from growthlab.tracking.comparison_run import ComparisonRun
from growthlab.tracking.run_clock import end_run, new_run
from growthlab.tracking.run_files import download_artifact, log_metrics
from growthlab.tracking.store import Store

SHOP = ("data.users=150", "data.items=60", "data.days=150", "metrics=[ranking/ndcg]")
MODELS = "models=[popularity,random,popularity_recent]"
N_AT_ONCE = 24


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """MLflow with users on PostgreSQL and S3."""
    with tracking_server(tmp_path_factory.mktemp("outbox")) as running:
        yield running


@pytest.fixture
def words(server: TrackingServer, tmp_path: Path) -> Iterator[list[str]]:
    """What a command needs to use the server, in an empty folder; whatever a test stopped runs again."""
    with contextlib.chdir(tmp_path):
        yield [*SHOP, "tracking=server", f"tracking.uri={server.uri}", "tracking.patience=0"]
    server.start()


def client_of(server: TrackingServer) -> MlflowClient:
    return MlflowClient(server.uri, server.uri)


def comparison(server: TrackingServer, data: str) -> tuple[Run, list[Run]]:
    """The only comparison of a data set, and the runs of its models."""
    client = client_of(server)
    experiment = client.get_experiment_by_name(f"{data}/top_n")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if run.data.tags["kind"] == "comparison"]
    models = [run for run in runs if run.data.tags["kind"] == "model"]
    assert {run.data.tags["mlflow.parentRunId"] for run in models} == {parent.info.run_id}
    return parent, sorted(models, key=lambda run: str(run.data.tags["model"]))


def on_entry(
    monkeypatch: pytest.MonkeyPatch, model: str, act: Callable[[], None], method: str = "start"
) -> None:
    """Call `act` once before `ComparisonRun.start`, or another method, of a model."""
    before = getattr(ComparisonRun, method)
    done: list[str] = []

    def wrapped(self: ComparisonRun, entry: object, *rest: object) -> None:
        if entry.contender.name == model and not done:  # type: ignore[attr-defined]
            done.append(model)
            act()
        before(self, entry, *rest)

    monkeypatch.setattr(ComparisonRun, method, wrapped)


def test_runs_bundles_and_registry_are_on_the_server(
    server: TrackingServer, words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["compare", "models=[popularity]", *words]) == 0
    assert f"look: {server.uri}" in capsys.readouterr().out
    assert main(["export", *words]) == 0
    client = client_of(server)
    champion = client.get_model_version_by_alias("simulated_shop-top_n", "champion")
    assert champion.tags["model"] == "popularity"
    assert (tmp_path / "bundles" / "simulated_shop-top_n" / "manifest.json").exists()
    assert not (tmp_path / "mlflow.db").exists()
    assert not (tmp_path / "mlruns").exists()
    assert client.get_run(champion.run_id).info.artifact_uri.startswith("mlflow-artifacts:")


def test_files_may_go_straight_to_the_storage(server: TrackingServer, words: list[str]) -> None:
    data = "data=simulated_shop_iid"
    direct = f"tracking.artifacts=s3://{BUCKET}/direct"
    assert main(["compare", "models=[popularity]", data, *words, direct]) == 0
    parent, (run,) = comparison(server, "simulated_shop_iid")
    place = f"s3://{BUCKET}/direct/simulated_shop_iid/top_n"
    assert run.info.artifact_uri == f"{place}/{run.info.run_id}/artifacts"
    page = download_artifact(client_of(server), parent.info.run_id, "comparison.html", Path())
    assert "popularity" in page.read_text()
    assert main(["export", data, f"run={run.info.run_id[:8]}", *words, direct]) == 0


def test_a_comparison_outlives_a_server_that_is_away_for_a_while(
    server: TrackingServer, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_client, "TRY_AGAIN", 0.0)
    on_entry(monkeypatch, "random", lambda: server.stop_part("mlflow"), "finish")
    on_entry(monkeypatch, "popularity_recent", server.start, "finish")
    assert main(["compare", MODELS, "data=checkerboard", *words[3:]]) == 0
    parent, models = comparison(server, "checkerboard")
    assert [run.data.tags["model"] for run in models] == [
        "popularity",
        "popularity_recent",
        "random",
    ]
    assert {run.info.status for run in [parent, *models]} == {"FINISHED"}
    assert all("test/ndcg_at_10" in run.data.metrics for run in models)
    client = client_of(server)
    for run in models:
        # popularity_recent was begun without the server: its page names the run as the server does
        assert "bundle" in {file.path for file in client.list_artifacts(run.info.run_id)}
        assert run.info.run_id in parent.data.tags["mlflow.note.content"]
    assert not list(Path(outbox()).rglob("journal.jsonl"))


def test_results_for_a_server_that_is_gone_stay_here_until_sync_sends_them(
    server: TrackingServer,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        on_entry(patch, "random", lambda: server.stop_part("mlflow"))
        assert main(["compare", MODELS, "data=simulated_shop_markov", *words]) == 1
    said = capsys.readouterr()
    assert "popularity_recent" in said.out  # the leaderboard
    (line,) = [line for line in said.err.splitlines() if line.startswith("growthlab: ")]
    assert f"`growthlab sync tracking.uri={server.uri}` sends them" in line
    (journal,) = Path(outbox()).rglob("journal.jsonl")
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    sync = ["sync", f"tracking.uri={server.uri}"]
    assert main(sync) == 2
    assert "Connection refused" in capsys.readouterr().err

    server.start()
    calls = []
    send_one = outbox_calls._send_one

    def killed_after_seven(*given: object) -> None:
        send_one(*given)  # type: ignore[arg-type]
        calls.append(given)
        if len(calls) == 7:  # the server has it, and nobody has noted that
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outbox_calls, "_send_one", killed_after_seven)
        assert main(sync) == 130
    assert main(sync) == 0
    assert "results of 1 commands are sent" in capsys.readouterr().out
    assert main(sync) == 0
    assert "0 results of 0 commands are sent" in capsys.readouterr().out
    parent, models = comparison(server, "simulated_shop_markov")
    assert [run.data.tags["model"] for run in models] == [
        "popularity",
        "popularity_recent",
        "random",
    ]
    assert {run.info.status for run in [parent, *models]} == {"FINISHED"}
    client = client_of(server)
    for run in models:
        assert len(client.get_metric_history(run.info.run_id, "test/ndcg_at_10")) == 1
    begun_without = models[1].data.tags["growthlab.run"]
    assert begun_without != models[1].info.run_id
    assert main(["export", "data=simulated_shop_markov", f"run={begun_without}", *words]) == 0


def test_many_runs_at_once_lose_nothing(server: TrackingServer, words: list[str]) -> None:
    store = Store(server.uri, None, patience=0)
    experiment = store.experiment("at/once")
    client = store.client

    def one(number: int) -> str:
        run_id = new_run(client, experiment, f"child {number}", {"number": str(number)})
        log_metrics(client, run_id, {f"m{k}": number + k for k in range(20)})
        client.log_text(run_id, str(number), "number.txt")
        end_run(client, run_id, "FINISHED")
        return run_id

    with ThreadPoolExecutor(N_AT_ONCE) as pool:
        ids = list(pool.map(one, range(N_AT_ONCE)))
    runs = {run.info.run_id: run for run in client.search_runs([experiment])}
    assert sorted(runs) == sorted(ids)
    for number, run_id in enumerate(ids):
        assert runs[run_id].data.metrics == {f"m{k}": number + k for k in range(20)}
        assert runs[run_id].info.status == "FINISHED"


@pytest.mark.parametrize(
    ("variables", "artifacts", "said"),
    [
        (
            {"MLFLOW_TRACKING_PASSWORD": "wrong"},
            None,
            "no such user and password\\): set MLFLOW_TR",
        ),
        ({}, "s3://nobody/x", "the bucket does not exist\\): make it, or name another one"),
        ({}, "ftp://host/x", "a storage begins with s3://"),
        (
            {"AWS_SECRET_ACCESS_KEY": "wrong"},
            "s3://mlflow/x",
            "no such keys\\): set AWS_ACCESS_KEY_ID",
        ),
        ({"AWS_ACCESS_KEY_ID": ""}, "s3://mlflow/y", "there are no keys for the storage"),
        ({"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9"}, "s3://mlflow/z", "Connection refused"),
    ],
)
def test_a_mistake_is_one_line_with_the_setting_that_helps(
    server: TrackingServer,
    variables: dict[str, str],
    artifacts: str | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s3_artifact_repo._cached_get_s3_client.cache_clear()  # MLflow and boto3 keep the keys of before
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(ConfigError, match=said):
        Store(server.uri, artifacts).experiment("never/made")
    monkeypatch.undo()
    s3_artifact_repo._cached_get_s3_client.cache_clear()
    assert client_of(server).get_experiment_by_name("never/made") is None


@pytest.mark.parametrize(
    "command",
    [
        ["compare", *SHOP],
        ["export", "model=recommend/popularity"],
        ["promote", "challenger=a"],
        ["rollback"],
    ],
    ids=lambda command: command[0],
)
def test_a_server_that_is_not_there_ends_a_command_before_it_reads_data_or_changes_anything(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "http://me:hush@127.0.0.1:9"
    with contextlib.chdir(tmp_path):
        assert main([*command, "tracking=server", f"tracking.uri={address}"]) == 2
        assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().err
    assert "Connection refused): set tracking.uri, or work without it with tracking=local" in said
    assert "hush" not in said


def test_what_only_reads_says_that_the_server_is_gone(
    server: TrackingServer, words: list[str]
) -> None:
    store = Store(server.uri, None, patience=0)
    client = store.client
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client._tracking_client.store, "get_host_creds", _nobody)
        with pytest.raises(ServerGoneError, match="does not answer"):
            client.get_run("0" * 32)


def _nobody() -> object:
    from mlflow.utils.rest_utils import MlflowHostCreds

    return MlflowHostCreds("http://127.0.0.1:9")


def outbox() -> str:
    return os.environ["GROWTHLAB_OUTBOX"]


def test_metrics_are_what_mlflow_logs() -> None:
    assert outbox_calls.plain({"metrics": [Metric("a", 1.5, 7, 2)]}) == {
        "metrics": [{"metric": ["a", 1.5, 7, 2]}]
    }
