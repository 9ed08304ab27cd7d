"""A workspace in which the commands were run once, for all tests of the commands."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from growthlab.cli.main import main
from growthlab.data.simulated_shop import SimulatedShop

SHOP = ("data.users=150", "data.items=60", "data.days=150")
# purchases alone: no prices, no texts
ORDERS = (
    "data=tabular_file",
    "data.path=orders.csv",
    "data.columns.user_id=customer",
    "data.columns.item_id=product",
    "data.columns.timestamp=time",
    "data.event_type=purchase",
)
# a cheap model of each kind: a baseline, one with settings, one trained in epochs
MODELS = {
    "top_n": "[popularity,item_knn,gru4rec]",
    "churn": "[recency_rule,logistic]",
    "value": "[mean,past_spend]",
}


@dataclass(frozen=True)
class Done:
    """The exit status and output of a command."""

    status: int
    out: str
    err: str

    @property
    def mistake(self) -> str:
        """The one line of a mistake in the input."""
        lines = [line for line in self.err.splitlines() if line.startswith("growthlab: ")]
        assert self.status == 2, (self.status, self.err)
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("growthlab: ")


@dataclass(frozen=True)
class Workspace:
    """A folder in which commands are run."""

    folder: Path
    _done: dict[str, Done] = field(default_factory=dict)

    def growthlab(self, *words: str) -> Done:
        """Run a command in this process, through the same entry point as the console script."""
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = main(words)
        return Done(status, out.getvalue(), err.getvalue())

    def process(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command as a process of its own."""
        command = [sys.executable, "-m", "growthlab.cli.main", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, text=True, stdout=pipe, stderr=pipe, **options
        )

    def compared(self, task: str) -> Done:
        """The output of the comparison of a task's cheap models, which runs once."""
        if task not in self._done:
            words = [f"task={task}", f"models={MODELS[task]}", *SHOP]
            if task == "top_n":
                words.append("model.trainer.epochs=2")
            self._done[task] = self.growthlab("compare", *words)
        return self._done[task]

    @property
    def client(self) -> MlflowClient:
        """The workspace's MLflow store."""
        return MlflowClient(f"sqlite:///{self.folder}/mlflow.db")

    def runs(self, task: str, **tags: str) -> list[Run]:
        """The runs of a task with these tags, newest first."""
        names = (f"simulated_shop/{task}", f"simulated_shop/{task}/searches")
        known = [e for n in names if (e := self.client.get_experiment_by_name(n)) is not None]
        query = " AND ".join(f"tags.`{k}` = '{v}'" for k, v in tags.items())
        order, places = ["start_time DESC"], [e.experiment_id for e in known]
        return list(self.client.search_runs(places, query, order_by=order))

    def all_runs(self) -> list[Run]:
        """The runs of all experiments."""
        experiments = [e.experiment_id for e in self.client.search_experiments()]
        return list(self.client.search_runs(experiments))

    def logged_by(self, done: Done) -> Run:
        """The run that the output of a command names last."""
        (*_, run_id) = re.findall(r"\b([0-9a-f]{32}) in ", done.out)
        return self.client.get_run(run_id)

    def children(self, task: str, parent: Run) -> list[Run]:
        """The runs of a comparison or a search."""
        return self.runs(task, **{"mlflow.parentRunId": parent.info.run_id})

    def table(self, run: Run, name: str) -> pd.DataFrame:
        """A Parquet artifact of a run."""
        return pd.read_parquet(self.artifact(run, name))

    def artifact(self, run: Run, name: str) -> Path:
        """The path of an artifact of a run."""
        return Path(unquote(run.info.artifact_uri.removeprefix("file://"))) / name


@dataclass(frozen=True)
class Snapshot:
    """A workspace as it was when the snapshot was taken, kept in the folder `kept`."""

    workspace: Workspace
    kept: Path

    @classmethod
    def take(cls, workspace: Workspace, kept: Path) -> Snapshot:
        """Keep a copy of all files."""
        shutil.copytree(workspace.folder, kept, dirs_exist_ok=True)
        return cls(workspace, kept)

    def restore(self) -> Workspace:
        """Put everything back in place, for MLflow keeps the store open and remembers its paths."""
        folder, store = self.workspace.folder, "mlflow.db"
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif not path.name.startswith(store):
                path.unlink()
        ignored = shutil.ignore_patterns(f"{store}*")
        shutil.copytree(self.kept, folder, dirs_exist_ok=True, ignore=ignored)
        with (
            contextlib.closing(sqlite3.connect(self.kept / store)) as before,
            contextlib.closing(sqlite3.connect(folder / store)) as now,
        ):
            before.backup(now)
        return self.workspace


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The folder shared by tests that only read, or add runs of their own."""
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A folder with a CSV file of purchases, which the words `ORDERS` read."""
    log = SimulatedShop(users=150, items=60, days=150).read()
    bought = log.query(
        "SELECT user_id AS customer, item_id AS product, timestamp AS time FROM events "
        "WHERE event_type = 'purchase' ORDER BY ALL"
    )
    folder = tmp_path_factory.mktemp("orders")
    bought.to_csv(folder / "orders.csv", index=False)
    return Workspace(folder)


@pytest.fixture
def fresh(tmp_path: Path) -> Workspace:
    """An empty folder."""
    return Workspace(tmp_path)


@pytest.fixture
def empty(tmp_path: Path) -> Callable[[], list[str]]:
    """The files in the folder of `fresh`, except prepared data."""

    def left() -> list[str]:
        return sorted(p.name for p in tmp_path.iterdir() if p.name != ".growthlab")

    return left
