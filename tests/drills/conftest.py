"""For all drills: commands run in a folder, bundles of all tasks, and a service."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

SHOP = ("data.users=300", "data.items=60", "data.days=120")
PATIENCE = 300  # seconds until a command counts as hung
READY = "documentation at "


@dataclass
class Desk:
    """A folder and the commands run in it; `output` is the output of the last one."""

    folder: Path
    output: str = ""
    seconds: float = 0

    def start(self, *words: str, limit: int | None = None) -> subprocess.Popen[bytes]:
        """Start a command; `limit` is the largest file that it can write, as on a full disk."""
        code = "import sys; from growthlab.cli.main import main; sys.exit(main())"
        if limit:
            code = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({limit}, {limit})); {code}"
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "output.txt").open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-c", code, *words],
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the process, and return its exit status."""
        status = process.wait(PATIENCE)
        self.output = (self.folder / "output.txt").read_text()
        return status

    def run(self, *words: str, limit: int | None = None) -> int:
        """Run a command, and return its exit status."""
        return self.wait(self.start(*words, limit=limit))

    def seconds_of(self, *words: str) -> float:
        """Run a command that must succeed, and return the seconds from its first output to its end."""
        process = self.start(*words)
        started = self.first_output(process)
        assert self.wait(process) == 0, self.output
        return time.monotonic() - started

    def first_output(self, process: subprocess.Popen[bytes]) -> float:
        """The time of the command's first output, when its imports are done."""
        while process.poll() is None and not (self.folder / "output.txt").stat().st_size:
            time.sleep(0.01)
        return time.monotonic()

    def kill_after(self, seconds: float, *words: str) -> bool:
        """Start a command and kill it some seconds after its first output; False if it ended before."""
        process = self.start(*words)
        self.first_output(process)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        status = self.wait(process)
        assert status in (0, -signal.SIGKILL), self.output
        return status != 0

    def query(self, sql: str) -> list[tuple[str, ...]]:
        """Rows of a query on the folder's store; empty if there is no store yet."""
        path = self.folder / "mlflow.db"
        if not path.exists():
            return []
        connection = sqlite3.connect(path, timeout=30)
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            return connection.execute(sql).fetchall() if "latest_metrics" in tables else []
        finally:
            connection.close()

    def run_statuses(self, kind: str) -> Counter[str]:
        """The number of runs of a kind (comparison, model, search, trial) by status."""
        where = f"t.key = 'kind' AND t.value = '{kind}'"
        sql = f"SELECT r.status FROM runs r JOIN tags t ON r.run_uuid = t.run_uuid WHERE {where}"
        return Counter(status for (status,) in self.query(sql))

    def metrics(self) -> dict[str, dict[str, float]]:
        """The metrics of each finished entry, except measured times."""
        metrics: dict[str, dict[str, float]] = {}
        for entry, key, value in self.query(
            "SELECT t.value, m.key, m.value FROM latest_metrics m "
            "JOIN tags t ON t.run_uuid = m.run_uuid JOIN runs r ON r.run_uuid = m.run_uuid "
            "WHERE t.key = 'entry' AND r.status = 'FINISHED' "
            "AND (m.key LIKE 'test/%' OR m.key LIKE 'valid/%' OR m.key LIKE 'epoch%')"
        ):
            metrics.setdefault(entry, {})[key] = float(value)
        return metrics


@pytest.fixture(scope="session")
def new_desk() -> Callable[[Path], Desk]:
    """Make a desk of a folder."""
    return Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty folder to work in."""
    return Desk(tmp_path / "desk")


@pytest.fixture(scope="session")
def shop_words() -> tuple[str, ...]:
    """The settings of a tiny shop: about 200 customers and 50 items."""
    return SHOP


@pytest.fixture(scope="session")
def bundle_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The bundle of a task's model, fitted on the tiny shop; each is written once."""
    from growthlab.bundle.manifest import Provenance
    from growthlab.config.compose import compose
    from growthlab.export.write_bundle import write_bundle
    from growthlab.tasks.fold_evaluation import FoldEvaluation, run_model
    from growthlab.workbench.set_up import set_up

    root = tmp_path_factory.mktemp("bundles")

    def make(task: str, model: str, *words: str) -> Path:
        folder = root / model.replace("/", "-") / task
        if folder.exists():
            return folder
        fixed = (f"task={task}", f"model={model}", f"cache={root / 'cache'}", "device=cpu")
        bench = set_up(compose("train", [*fixed, *SHOP, *words]))
        evaluation = FoldEvaluation(bench.task, bench.folds[0], bench.metrics, refit=False)
        outcome = run_model(evaluation, bench.contenders[0].factory, name=model.rpartition("/")[2])
        about = Provenance(
            task=task,
            answer=bench.task.answer,
            model=outcome.name,
            data="simulated_shop",
            data_digest="0" * 64,
            split="global_time",
            horizon_days=28,
        )
        return write_bundle(folder, evaluation.selection_data, outcome, about)

    return make


@pytest.fixture(scope="session")
def bundles(bundle_of: Callable[..., Path]) -> dict[str, Path]:
    """One bundle a task: a network as ONNX, LightGBM as text, and arrays only."""
    return {
        "top_n": bundle_of("top_n", "recommend/gru4rec", "model.trainer.epochs=2"),
        "churn": bundle_of("churn", "churn/lightgbm"),
        "value": bundle_of("value", "value/bg_nbd"),
    }


@dataclass
class Service:
    """A process of ``growthlab serve`` with a request log, and a client."""

    process: psutil.Process
    client: httpx.Client

    def is_healthy(self) -> bool:
        """Whether the process still runs and reports that it is healthy."""
        answer = self.client.get("/health")
        return self.process.is_running() and answer.json()["status"] == "ok"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start a service of some bundles, which is stopped after the test."""
    running: list[tuple[Desk, subprocess.Popen[bytes], httpx.Client]] = []

    def start(*paths: Path) -> Service:
        desk = Desk(tmp_path / f"service-{len(running)}")
        together = desk.folder / "bundles"
        together.mkdir(parents=True)
        for path in paths:
            (together / path.name).symlink_to(path)
        process = desk.start(
            "serve", f"bundle={together}", "port=0", "log=requests.jsonl", "log_mb=20"
        )
        output = desk.folder / "output.txt"
        while READY not in output.read_text():
            assert process.poll() is None, output.read_text()
            time.sleep(0.05)
        address = output.read_text().partition(READY)[2].split()[0].removesuffix("/docs")
        transport = httpx.HTTPTransport(retries=5)
        client = httpx.Client(base_url=address, transport=transport, timeout=60)
        running.append((desk, process, client))
        return Service(psutil.Process(process.pid), client)

    yield start
    for desk, process, client in running:
        client.close()
        process.terminate()
        assert desk.wait(process) == 0, desk.output
        assert "Traceback" not in desk.output, desk.output
