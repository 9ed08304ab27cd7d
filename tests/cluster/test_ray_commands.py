"""The commands with cluster=ray: the same runs, and mistakes in one line."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tests.ports import free_port
from tests.postgresql import postgresql_server

from growthlab.cli.main import main
from growthlab.cluster.ray_cluster import RayCluster
from growthlab.core.credentials import without_passwords

SHOP = ("data.users=150", "data.items=60", "data.days=150", "metrics=[ranking/ndcg]")
RAY = ("cluster=ray", "cluster.local_cpus=2", "cluster.object_store_mb=100")
MODELS = ("models=[popularity,markov,random]", "seeds=2", "intervals.resamples=50")
WHO_RAN_IT = ("mlflow.user", "host", "code_version", "command")
MODEL_SETTINGS = ("+model.resources.cpus=1",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands")


def growthlab(folder: Path, *words: str) -> tuple[int, str]:
    """The exit status of a command, and all that it printed."""
    out = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = main(words)
    return status, out.getvalue()


def runs(folder: Path, store: str) -> list[Any]:
    client = MlflowClient(f"sqlite:///{folder / store}")
    return list(client.search_runs([e.experiment_id for e in client.search_experiments()]))


def values(found: list[Any]) -> dict[str, dict[str, float]]:
    """What the runs of models say of their models, without seconds and megabytes."""
    kept = ("valid/", "test/", "coverage")
    return {
        run.data.tags["entry"]: {k: v for k, v in run.data.metrics.items() if k.startswith(kept)}
        for run in found
        if run.data.tags["kind"] == "model"
    }


def test_a_comparison_leaves_the_same_runs_and_no_word_of_the_cluster(
    folder: Path, two_processors: RayCluster, caplog: pytest.LogCaptureFixture
) -> None:
    for store, words in (("plain.db", ()), ("ray.db", (*RAY, *MODEL_SETTINGS))):
        status, out = growthlab(
            folder, "compare", *SHOP, *MODELS, *words, f"tracking.uri=sqlite:///{store}"
        )
        assert status == 0, out
    assert "popularity seed 0: fitting in " in caplog.text
    assert caplog.text.count("popularity seed 0: ndcg_at_10") == 2  # what its process says, too
    here, there = runs(folder, "plain.db"), runs(folder, "ray.db")
    assert values(here) == values(there)
    assert len(values(there)) == 4
    (parent,) = [run for run in there if run.data.tags["kind"] == "comparison"]
    assert all(run.info.status == "FINISHED" for run in there)
    assert sum(r.data.tags.get("mlflow.parentRunId") == parent.info.run_id for r in there) == 4
    for run in there:
        assert all(run.data.tags[name] for name in WHO_RAN_IT)
        assert not [name for name in run.data.params if "cluster" in name or "resources" in name]
    # one that was stopped on a cluster is recognised, and goes on, on one machine
    (one,) = [run for run in here if run.data.tags["kind"] == "comparison"]
    differ = {name for name, value in one.data.params.items() if parent.data.params[name] != value}
    assert differ == {"tracking.uri"}


def test_trials_of_several_models_share_a_server_within_the_budget_of_each_study(
    folder: Path, two_processors: RayCluster
) -> None:
    words = ("tune", "models=[markov,item_knn]", "budget.trials=2", "experiments=null", *SHOP, *RAY)
    words += ("intervals.resamples=50",)
    with postgresql_server() as port:
        url = f"postgresql+psycopg://tester:secret@127.0.0.1:{port}/postgres"
        status, out = growthlab(folder, *words, f"storage={url}", "tracking.uri=sqlite:///tune.db")
    assert status == 0, out
    assert "secret" not in out
    found = runs(folder, "tune.db")
    trials = [run for run in found if run.data.tags["kind"] == "trial"]
    assert all(run.data.tags[name] for run in found for name in WHO_RAN_IT)
    searches = [run for run in found if run.data.tags["kind"] == "search"]
    assert len(searches) == 2
    assert {run.info.status for run in [*trials, *searches]} == {"FINISHED"}
    tried = {str(run.data.params): "model.neighbours" in run.data.params for run in trials}
    assert sorted(tried.values()) == [False] * 2 + [True] * 2  # two of each model, all different
    processes = {run.data.tags["growthlab.process"] for run in trials}
    assert not any(f":{os.getpid()}:" in process for process in processes)
    winners = [run.data.tags["model"] for run in found if run.data.tags["kind"] == "model"]
    assert sorted(winners) == ["item_knn", "markov"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("cluster.address=nowhere",),
            "cluster.address=nowhere: give HOST:PORT of the cluster's head",
        ),
        (("cluster.address=http://head:1",), "cluster.address=http://head:1: give HOST:PORT"),
        (("cluster.cpus=0",), "cluster.cpus must be positive, got 0"),
        (("cluster.cpus=999",), "popularity asks for 999 CPUs, 0 GPUs and 0 MB, which no machine"),
        (("+model.resources.cpu=1",), "model.resources.cpu: did you mean cpus?"),
        (("+model.resources.cpus=two",), "model.resources.cpus must be a number"),
        (("cluster.object_store_mb=1",), "cluster.object_store_mb=1: Ray takes 80 or more"),
        (("cluster.local_cpus=0",), "cluster.local_cpus must be 1 or more, got 0"),
        (("cluster.retries=-1",), "cluster.retries must be 0 or more, got -1"),
    ],
)
def test_a_mistake_is_one_line(
    folder: Path, two_processors: RayCluster, words: tuple[str, ...], line: str
) -> None:
    status, out = growthlab(folder, "compare", "models=[popularity]", *SHOP, *RAY, *words)
    assert status == 2, out
    (said,) = [each for each in out.splitlines() if each.startswith("growthlab: ")]
    assert line in said


def test_nobody_at_the_address_is_one_line_without_the_address(folder: Path) -> None:
    port = free_port()
    words = ("compare", *SHOP, "cluster=ray", f"cluster.address=127.0.0.1:{port}")
    status, out = growthlab(folder, *words)
    assert status == 2, out
    assert "growthlab: cluster.address: nothing answers there" in out
    assert str(port) not in out
    assert without_passwords(" ".join(words)).endswith("cluster.address=***")


def test_ray_that_was_imported_before_us_asks_for_the_token_too(folder: Path) -> None:
    code = (
        "import ray\n"
        "from growthlab.cluster.ray_session import connect\n"
        "ray.init = lambda **settings: print(ray._raylet.get_authentication_mode())\n"
        "connect('local', 1, 100)\n"
        "print(ray._raylet.AuthenticationMode.TOKEN)"
    )
    left_out = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    seen, expected = done.stdout.splitlines()
    assert seen == expected


def test_ray_that_is_not_installed_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    status, out = growthlab(folder, "compare", *SHOP, "cluster=ray")
    assert status == 2, out
    assert "growthlab: cluster=ray needs Ray: pip install 'growthlab[ray]'" in out
