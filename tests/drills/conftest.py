"""What the drills share: commands as a user types them in a folder, bundles of all tasks, a service."""

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
    """Someone's folder and the commands typed there; `said` is what the last of them said."""

    folder: Path
    said: str = ""
    seconds: float = 0

    def start(self, *words: str, limit: int | None = None) -> subprocess.Popen[bytes]:
        """A command that runs; `limit` is the largest file that it can write, as on a full disk."""
        code = "import sys; from growthlab.cli.main import main; sys.exit(main())"
        if limit:
            code = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({limit}, {limit})); {code}"
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "said.txt").open("wb") as said:
            return subprocess.Popen(
                [sys.executable, "-c", code, *words],
                cwd=self.folder,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ends(self, process: subprocess.Popen[bytes]) -> int:
        """The exit status, once the process has ended."""
        status = process.wait(PATIENCE)
        self.said = (self.folder / "said.txt").read_text()
        return status

    def runs(self, *words: str, limit: int | None = None) -> int:
        """The exit status of a whole command."""
        return self.ends(self.start(*words, limit=limit))

    def works(self, *words: str) -> float:
        """The seconds from a command's first word to its end, which has to be a good one."""
        process = self.start(*words)
        started = self.first_word(process)
        assert self.ends(process) == 0, self.said
        return time.monotonic() - started

    def first_word(self, process: subprocess.Popen[bytes]) -> float:
        """When the command said its first word: from there on it works, and no longer imports."""
        while process.poll() is None and not (self.folder / "said.txt").stat().st_size:
            time.sleep(0.01)
        return time.monotonic()

    def killed(self, seconds: float, *words: str) -> bool:
        """Start a command and kill it so long after its first word; False where it ended before."""
        process = self.start(*words)
        self.first_word(process)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        status = self.ends(process)
        assert status in (0, -signal.SIGKILL), self.said
        return status != 0

    def query(self, sql: str) -> list[tuple[str, ...]]:
        """Rows out of the folder's store; none where there is no store yet."""
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
        """How many runs of a kind (comparison, model, search, trial) stand at each status."""
        where = f"t.key = 'kind' AND t.value = '{kind}'"
        sql = f"SELECT r.status FROM runs r JOIN tags t ON r.run_uuid = t.run_uuid WHERE {where}"
        return Counter(status for (status,) in self.query(sql))

    def metrics(self) -> dict[str, dict[str, float]]:
        """The metrics of each finished entry that do not depend on the clock, by entry."""
        found: dict[str, dict[str, float]] = {}
        for entry, key, value in self.query(
            "SELECT t.value, m.key, m.value FROM latest_metrics m "
            "JOIN tags t ON t.run_uuid = m.run_uuid JOIN runs r ON r.run_uuid = m.run_uuid "
            "WHERE t.key = 'entry' AND r.status = 'FINISHED' "
            "AND (m.key LIKE 'test/%' OR m.key LIKE 'valid/%' OR m.key LIKE 'epoch%')"
        ):
            found.setdefault(entry, {})[key] = float(value)
        return found


@pytest.fixture(scope="session")
def new_desk() -> Callable[[Path], Desk]:
    """Gives a folder to someone."""
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
    """The bundle of a model of a task, fitted on the tiny shop; each is made once."""
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
    """A bundle a task: a network as ONNX, LightGBM as text, and one of arrays only."""
    return {
        "top_n": bundle_of("top_n", "recommend/gru4rec", "model.trainer.epochs=2"),
        "churn": bundle_of("churn", "churn/lightgbm"),
        "value": bundle_of("value", "value/bg_nbd"),
    }


@dataclass
class Service:
    """``growthlab serve`` in a process of its own, with a request log, and a client of it."""

    process: psutil.Process
    client: httpx.Client

    def is_well(self) -> bool:
        """Whether it is the same living process, and says that it is healthy."""
        answer = self.client.get("/health")
        return self.process.is_running() and answer.json()["status"] == "ok"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service of some bundles; it is stopped after the test, in order."""
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
        said = desk.folder / "said.txt"
        while READY not in said.read_text():
            assert process.poll() is None, said.read_text()
            time.sleep(0.05)
        address = said.read_text().partition(READY)[2].split()[0].removesuffix("/docs")
        transport = httpx.HTTPTransport(retries=5)
        client = httpx.Client(base_url=address, transport=transport, timeout=60)
        running.append((desk, process, client))
        return Service(psutil.Process(process.pid), client)

    yield start
    for desk, process, client in running:
        client.close()
        process.terminate()
        assert desk.ends(process) == 0, desk.said
        assert "Traceback" not in desk.said, desk.said
