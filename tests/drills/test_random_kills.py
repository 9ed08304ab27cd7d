"""Commands killed at random moments (kill -9): the same command run again ends as if nothing had happened.

Each kill has a folder of its own, restored to what it was before the command. A line a kill goes to the
log as it happens; ``GROWTHLAB_DRILL_LOG`` names its file, ``GROWTHLAB_KILLS`` the number of kills a command.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_promote import LENIENT

pytestmark = pytest.mark.drill

N_KILLS = int(os.environ.get("GROWTHLAB_KILLS", "50"))
PATIENCE = 300  # seconds until a command counts as hung
SHOP = ("data.users=150", "data.items=40", "data.days=120")
TOP_N = ("task=top_n", "metrics=[ranking/ndcg]", *SHOP)
# imported once, by the server from which the commands are forked; none of them starts a thread
PRELOADED = [
    "duckdb",
    "growthlab.api",
    "growthlab.cli.main",
    "growthlab.config.compose",
    "growthlab.export.write_bundle",
    "lightgbm",
    "matplotlib.pyplot",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "onnxruntime",
    "optuna",
    "sklearn.linear_model",
    "torch",
]
STATE_OF_CACHES = ("torchinductor", ".ses")  # of PyTorch, in the folder of temporary files


def run_command(folder: str, words: tuple[str, ...]) -> None:
    """Run a command as the whole of this process."""
    os.setsid()
    os.chdir(folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    import tempfile

    temporary = Path(folder) / "tmp"
    temporary.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    from growthlab.cli.main import main

    status = main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@dataclass
class Ground:
    """A folder for commands, and a copy of what it is restored to before each kill."""

    folder: Path
    log: Path
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    def run(self, *words: str, kill_after: float | None = None) -> int | None:
        """Run a command to its end and return its status; None where it was killed."""
        start = multiprocessing.get_context("forkserver").Process
        process = start(target=run_command, args=(str(self.folder), words))
        process.start()
        began = time.monotonic()
        process.join(PATIENCE if kill_after is None else kill_after)
        if process.exitcode is None:
            assert kill_after is not None, f"{words} hangs"
            process.kill()
            process.join()
        self.seconds = time.monotonic() - began
        status = process.exitcode
        process.close()
        return None if status == -9 else status

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text()

    def save(self) -> None:
        """Remember the folder as it is."""
        shutil.rmtree(self.saved, ignore_errors=True)
        shutil.copytree(self.folder, self.saved, symlinks=True)

    def restore(self) -> None:
        """Make the folder as it was; artifacts are found by their absolute paths."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.saved, self.folder, symlinks=True)

    @property
    def saved(self) -> Path:
        return self.folder.with_name("saved")

    def say(self, line: str) -> None:
        """Write a line to the log at once."""
        with self.log.open("a") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {line}\n")

    def kills(self, name: str, words: tuple[str, ...], result: Callable[[Ground], Any]) -> None:
        """Kill the command at `N_KILLS` random moments, and compare what it leaves when run again."""
        self.save()
        assert self.run(*words) == 0, self.output
        assert self.run(*words) == 0, (
            self.output
        )  # warm: what is measured is the command's own time
        self.restore()
        assert self.run(*words) == 0, self.output
        longest, expected = self.seconds, result(self)
        self.say(f"{name}: {longest:.2f} s uninterrupted; {N_KILLS} kills, seed {name!r}")
        rng = random.Random(name)
        n_ended = 0
        for number in range(N_KILLS):
            moment = rng.uniform(0, longest)
            self.restore()
            n_ended += self.run(*words, kill_after=moment) is not None
            faults = self.faults_after(words, expected, result)
            self.failures += [f"{name} kill {number} after {moment:.3f} s: {f}" for f in faults]
            self.say(f"{name} kill {number} after {moment:.3f} s: {'; '.join(faults) or 'ok'}")
        self.say(f"{name}: {N_KILLS} kills, {n_ended} after the end, {len(self.failures)} failures")

    def faults_after(
        self, words: tuple[str, ...], expected: Any, result: Callable[[Ground], Any]
    ) -> list[str]:
        """What is wrong after the command was killed and run again."""
        status = self.run(*words)
        if status != 0:
            return [f"status {status}: {self.output[-400:]!r}"]
        faults = []
        for database in self.folder.glob("*.db"):  # the first to open it takes back what was begun
            with closing(sqlite3.connect(database)) as connection:
                if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                    faults.append(f"{database.name} is damaged")
        faults += [f"left {path}" for path in self.leftovers()]
        found = result(self)
        if found != expected:
            faults.append(
                f"{json.dumps(found, default=str)} is not {json.dumps(expected, default=str)}"
            )
        return faults

    def leftovers(self) -> Iterator[str]:
        """Temporary files and folders."""
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder).as_posix()
            temporary = name.startswith("tmp/")
            cached = temporary and name.split("/")[1].startswith(STATE_OF_CACHES)
            partial = "partial" in name or ".old." in name
            if partial or (temporary and not cached):
                yield name

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the MLflow store."""
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture(scope="module", autouse=True)
def _forkserver() -> None:
    """Imports take most of a short command: they are done once."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    log = Path(os.environ.get("GROWTHLAB_DRILL_LOG", tmp_path / "kills.log"))
    folder = tmp_path / "ground"
    folder.mkdir()
    return Ground(folder, log)


def metrics_of(ground: Ground, kind: str) -> dict[str, float]:
    """The metrics of the finished runs of a kind by entry or trial, except measured times."""
    key = {"model": "entry", "trial": "trial"}[kind]
    rows = ground.rows(
        "SELECT t.value, m.key, m.value FROM latest_metrics m "
        "JOIN tags t ON t.run_uuid = m.run_uuid JOIN tags k ON k.run_uuid = m.run_uuid "
        "JOIN runs r ON r.run_uuid = m.run_uuid "
        f"WHERE t.key = '{key}' AND k.key = 'kind' AND k.value = '{kind}' "
        "AND r.status = 'FINISHED' AND (m.key LIKE 'test/%' OR m.key LIKE 'valid/%')"
    )
    return {f"{entry} {name}": value for entry, name, value in rows}


def statuses(ground: Ground) -> set[str]:
    return {status for (status,) in ground.rows("SELECT DISTINCT status FROM runs")}


def registry_of(ground: Ground) -> dict[str, Any]:
    """Versions with aliases and tags, the history of champions, logged models, and no lock."""
    versions = ground.rows(
        "SELECT version, current_stage, description FROM model_versions "
        "WHERE current_stage != 'Deleted_Internal' ORDER BY version"
    )
    tags = ground.rows("SELECT version, key, value FROM model_version_tags ORDER BY version, key")
    history = [
        {k: v for k, v in json.loads(value).items() if k in ("version", "before", "how")}
        for (value,) in ground.rows(
            "SELECT value FROM registered_model_tags WHERE key LIKE 'champion.%' ORDER BY key"
        )
    ]
    ours = {v for v, *_ in versions}
    return {
        "versions": [(v, stage) for v, stage, _ in versions],
        "tags": [[v, k] for v, k, _ in tags if v in ours],
        "aliases": ground.rows(
            "SELECT alias, version FROM registered_model_aliases ORDER BY alias"
        ),
        "history": history,
        "begun": ground.rows("SELECT key FROM registered_model_tags WHERE key LIKE 'begun%'"),
        "locks": ground.rows("SELECT name FROM registered_models WHERE name LIKE '%.lock%'"),
        "models": ground.rows(
            "SELECT count(*) FROM logged_models WHERE lifecycle_stage = 'active'"
        ),
        "model_folders": len(
            list(ground.folder.glob("mlartifacts/*/*/models/*/artifacts/MLmodel"))
        ),
    }


def bundle_of(folder: Path) -> dict[str, Any]:
    """The version of a bundle, whose files are checked against their checksums."""
    from growthlab.bundle.bundle import Bundle

    manifest = Bundle.load(folder, quiet=True).manifest
    return {"version": manifest.version, "names": sorted(p.name for p in folder.parent.iterdir())}


def test_prepare(ground: Ground) -> None:
    words = ("prepare", "data.users=600", "data.items=100", "data.days=200")

    def result(ground: Ground) -> Any:
        from growthlab.data.event_log import EventLog

        folders = [path.parent for path in (ground.folder / ".growthlab").glob("*/log.json")]
        names = sorted(p.name for p in (ground.folder / ".growthlab").rglob("*"))
        return [EventLog.open(folder).digest for folder in folders], names

    ground.kills("prepare", words, result)
    assert ground.failures == []


def with_store(ground: Ground) -> None:
    """The prepared data, and a store with an older run of another kind."""
    assert ground.run("portrait", *SHOP, "output=portrait.parquet") == 0, ground.output


def test_compare(ground: Ground) -> None:
    # with a store: kills in the middle of its creation, and of a network's epochs, are in test_kills.py
    models = ("models=[popularity,item_knn,markov]",)
    with_store(ground)

    def result(ground: Ground) -> Any:
        assert statuses(ground) <= {"FINISHED", "KILLED"}, statuses(ground)
        return metrics_of(ground, "model"), (ground.folder / ".growthlab/checkpoints").exists()

    ground.kills("compare", ("compare", *TOP_N, *models), result)
    assert ground.failures == []


def test_tune(ground: Ground) -> None:
    with_store(ground)
    words = ("tune", *TOP_N, "model=recommend/item_knn", "study=drill", "budget.trials=3")

    def result(ground: Ground) -> Any:
        assert statuses(ground) <= {"FINISHED", "KILLED"}, statuses(ground)
        (status,) = ground.rows(
            "SELECT r.status FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid "
            "WHERE t.key = 'kind' AND t.value = 'search'"
        )
        best = ground.rows(
            "SELECT t.key, t.value FROM tags t WHERE t.key LIKE 'best.%' AND t.key != 'best.trial' "
            "ORDER BY t.key"
        )
        return status, best, sorted(set(metrics_of(ground, "trial").values()))

    ground.kills("tune", words, result)
    assert ground.failures == []


def compared(ground: Ground, *words: str) -> None:
    assert ground.run("compare", *words) == 0, ground.output


def run_of(ground: Ground, model: str) -> str:
    ((run_id,),) = ground.rows(
        f"SELECT run_uuid FROM tags WHERE key = 'model' AND value = '{model}'"
    )
    return str(run_id)


def test_export(ground: Ground) -> None:
    compared(ground, *TOP_N, "models=[popularity,item_knn]")

    def result(ground: Ground) -> Any:
        return bundle_of(ground.folder / "served" / "bundle"), registry_of(ground)

    ground.kills("export", ("export", "task=top_n", "to=served/bundle"), result)
    assert ground.failures == []


def with_champion(ground: Ground) -> None:
    """A champion, and a better challenger that is not registered yet."""
    compared(ground, *TOP_N, "models=[popularity,markov]")
    run = run_of(ground, "popularity")
    words = (
        "export",
        "task=top_n",
        f"run={run}",
        "to=served/first",
        *LENIENT,
        "gate.first_against=[]",
    )
    assert ground.run(*words) == 0, ground.output


def test_promote(ground: Ground) -> None:
    with_champion(ground)
    words = ("promote", "task=top_n", f"challenger={run_of(ground, 'markov')}", *LENIENT)

    def result(ground: Ground) -> Any:
        reports = [path.read_text() for path in (ground.folder / "promotions").glob("*.md")]
        return registry_of(ground), bool(reports), all("markov" in text for text in reports)

    ground.kills("promote", words, result)
    assert ground.failures == []


def test_fetch(ground: Ground) -> None:
    with_champion(ground)
    uri = "models:/simulated_shop-top_n"
    assert ground.run("fetch", f"model_uri={uri}/1", "to=live/top_n") == 0, ground.output
    words = ("promote", "task=top_n", f"challenger={run_of(ground, 'markov')}", *LENIENT)
    assert ground.run(*words) == 0, ground.output

    def result(ground: Ground) -> Any:
        return bundle_of(ground.folder / "live" / "top_n")

    ground.kills("fetch", ("fetch", f"model_uri={uri}@champion", "to=live/top_n"), result)
    assert ground.failures == []


def test_refresh(ground: Ground) -> None:
    compared(ground, *TOP_N, "models=[popularity,item_knn]")
    words = ("export", "task=top_n", "to=live/top_n", "register=false")
    assert ground.run(*words) == 0, ground.output
    longer = (*SHOP[:2], "data.days=130", "same_data=false")

    def result(ground: Ground) -> Any:
        return bundle_of(ground.folder / "live" / "top_n")

    ground.kills("refresh", ("refresh", "bundle=live/top_n", *longer), result)
    assert ground.failures == []
