"""A cluster of two nodes: lost machines and commands, other code, wrong tokens, and no secret in any log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient
from tests.patience import PATIENCE, wait_until

from growthlab.cluster.ray_session import ENVIRONMENT, give_own_token

PASSWORD = "hush-hush-42"
SCRIPT = Path(__file__).with_name("waiting_fits.py")
SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Nodes:
    """A head and other nodes on this machine, and the environment of who may use them."""

    cluster: Any
    environment: dict[str, str]
    token: str

    @property
    def address(self) -> str:
        """``HOST:PORT`` of the head."""
        return str(self.cluster.head_node.gcs_address)

    def n_alive(self) -> int:
        """How many nodes there are."""
        return sum(node["Alive"] for node in self.cluster.global_state.node_table())

    def add(self, **settings: Any) -> Any:
        """One more node."""
        n_before = self.n_alive() if self.cluster.head_node else 0
        node = self.cluster.add_node(
            wait=False, object_store_memory=100 * 2**20, include_dashboard=False, **settings
        )
        wait_until(lambda: self.n_alive() > n_before)
        return node

    def kill(self, node: Any) -> None:
        """Kill a node."""
        self.cluster.remove_node(node, allow_graceful=False)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start a Python process that may use the cluster."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, *words],
            env={**self.environment, **environment},
            stdout=pipe,
            stderr=pipe,
            text=True,
        )


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A cluster of one node with one processor; a process knows one token, as Ray keeps the first."""
    give_own_token()
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_text()
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", path)
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=False)
        started = Nodes(cluster, dict(os.environ), token)
        started.add(num_cpus=1)
        yield started
        cluster.shutdown()


def fits(folder: Path) -> list[list[str]]:
    """The models that were fitted, and the node and the process of each."""
    file = folder / "fits"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def is_gone(process: int) -> bool:
    """Whether a process has ended."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def children(folder: Path) -> dict[str, list[str]]:
    """The status of the runs of each model."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    found: dict[str, list[str]] = {}
    for run in client.search_runs([e.experiment_id for e in client.search_experiments()]):
        if run.data.tags["kind"] == "model":
            found.setdefault(run.data.tags["model"], []).append(run.info.status)
    return found


def test_a_command_and_a_machine_are_lost_and_no_finished_entry_runs_twice(
    nodes: Nodes, tmp_path: Path
) -> None:
    second = nodes.add(num_cpus=1)
    words = (str(SCRIPT), f"cluster.address={nodes.address}", str(tmp_path), f"password={PASSWORD}")
    first_call = nodes.start(*words)
    wait_until(lambda: first_call.poll() is not None or len(fits(tmp_path)) >= 4)
    wait_until(
        lambda: first_call.poll() is not None or "FINISHED" in children(tmp_path).get("quick", ())
    )
    assert first_call.poll() is None, first_call.communicate()[1]
    first_call.kill()
    first_call.communicate(timeout=PATIENCE)
    before = len(fits(tmp_path))

    second_call = nodes.start(*words)
    wait_until(lambda: second_call.poll() is not None or len(fits(tmp_path)) >= before + 2)
    running = fits(tmp_path)[before:]
    assert {model for model, _, _ in running} == {"waiting", "asleep"}, running
    assert len({node for _, node, _ in running}) == 2  # one on each
    nodes.kill(second)
    wait_until(
        lambda: any(is_gone(int(process)) for _, _, process in running)
    )  # it outlives its node
    (tmp_path / "go").touch()
    out, err = second_call.communicate(timeout=PATIENCE)
    assert second_call.returncode == 0, err
    assert "models: asleep quick waiting" in out
    assert "quick seed 0: finished in an earlier call" in err
    assert "it runs again" in err
    assert [model for model, *_ in fits(tmp_path)].count(
        "quick"
    ) == 2  # chosen, and fitted once more
    ended = children(tmp_path)
    assert ended["quick"] == ["FINISHED"]
    assert sorted(ended["waiting"]) == sorted(ended["asleep"]) == ["FINISHED", "KILLED"]

    session = Path(nodes.cluster.head_node.get_session_dir_path())
    logs = [path for path in session.rglob("*") if path.is_file()]
    assert logs
    for path in [*logs, *(p for p in tmp_path.rglob("*") if p.is_file())]:
        content = path.read_bytes()
        assert nodes.token.encode() not in content, path
        assert PASSWORD.encode() not in content, path
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert nodes.address.encode() not in path.read_bytes(), path
    assert nodes.address not in err


def command(nodes: Nodes, folder: Path, *words: str, **environment: str) -> tuple[int, str]:
    """The exit status of a small comparison on the cluster, and its last line."""
    shop = ("data.users=150", "data.items=60", "data.days=150", "metrics=[ranking/ndcg]")
    process = nodes.start(
        "-m",
        "growthlab",
        "compare",
        "models=[popularity]",
        *shop,
        "cluster=ray",
        f"cluster.address={nodes.address}",
        f"cache={folder / 'cache'}",
        f"tracking.uri=sqlite:///{folder / 'mlflow.db'}",
        f"tracking.artifacts={folder / 'artifacts'}",
        f"output={folder / 'reports'}",
        *words,
        **environment,
    )
    _, err = process.communicate(timeout=PATIENCE)
    return process.returncode, err


def test_a_wrong_token_is_one_line(nodes: Nodes, tmp_path: Path) -> None:
    status, err = command(nodes, tmp_path, RAY_AUTH_TOKEN="wrong" * 8)
    lines = [line for line in err.splitlines() if line.startswith("growthlab: ")]
    assert (status, len(lines)) == (2, 1), err
    assert (
        "what answers there is no head of Ray with this token: set RAY_AUTH_TOKEN_PATH" in lines[0]
    )
    assert "Traceback" not in err


def test_a_machine_with_other_code_is_refused(nodes: Nodes, tmp_path: Path) -> None:
    other = nodes.add(num_cpus=1, env_vars={"GROWTHLAB_CODE_VERSION": "older"})
    status, err = command(nodes, tmp_path)
    nodes.kill(other)
    lines = [line for line in err.splitlines() if line.startswith("growthlab: ")]
    assert (status, len(lines)) == (2, 1), err
    assert "of the cluster has growthlab older and not tested: results could not be" in lines[0]
    assert not (tmp_path / "mlflow.db").exists()
