"""A comparison in MLflow: a parent run, a child a model and seed; an interrupted one goes on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import socket
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from growthlab.core.errors import ConfigError
from growthlab.evaluation.outcome import Outcome
from growthlab.tasks.comparison import Entry
from growthlab.tasks.runner import Arena
from growthlab.tracking.run_files import (
    artifacts,
    flattened,
    log_figures,
    log_metrics,
    log_outcome,
    outcome_of,
)
from growthlab.tracking.store import Store, code_version

log = logging.getLogger(__name__)

KEY = "growthlab.key"
PROCESS = "growthlab.process"
OPEN = ("RUNNING", "KILLED", "FAILED")


@dataclass(frozen=True)
class Lineage:
    """What a comparison is about: the same for all its runs. `reports` are JSON artifacts of every run."""

    data: str
    digest: str
    task: str
    split: str
    cutoff: str
    source: str
    reports: Mapping[str, Any] = field(default_factory=dict)

    @property
    def experiment(self) -> str:
        """The experiment's name: ``<data>/<task>``."""
        return f"{self.data}/{self.task}"


@dataclass
class ComparisonRun:
    """The recorder of one comparison (or of one model, with `parent` False: the run itself is the child).

    `config` is the composed config of the whole call; `child_config` gives that of one entry, which
    ``rerun`` can run again. `bundle` writes an outcome's bundle to a folder, `figures` draws its plots.
    """

    store: Store
    lineage: Lineage
    config: Mapping[str, Any]
    child_config: Callable[[Entry], Mapping[str, Any]]
    bundle: Callable[[Entry, Arena, Outcome, Path], Any]
    figures: Callable[[Outcome], Mapping[str, Any]]
    checkpoints: Path
    parent: bool = True
    run_id: str = ""
    runs: dict[str, str] = field(default_factory=dict)  # entry label -> run id
    _current: str | None = None

    def open(self) -> None:
        """Start the parent run, or go on with an interrupted one of the same config, data and code.

        Raises
        ------
        ConfigError
            Another process is at work on the same comparison.
        """
        self._experiment = self.store.experiment(self.lineage.experiment)
        if not self.parent:
            return
        client = self.store.client
        found = client.search_runs(
            [self._experiment], f"tags.`{KEY}` = '{self.key}'", order_by=["start_time DESC"]
        )
        open_runs = [r for r in found if r.info.status in OPEN]
        if open_runs:
            run = open_runs[0]
            self._refuse_if_alive(run.data.tags.get(PROCESS, ""))
            self.run_id = run.info.run_id
            client.set_tag(self.run_id, PROCESS, _this_process())
            client.update_run(self.run_id, status="RUNNING")
            log.info("going on with the interrupted comparison %s", self.run_id)
            return
        self.run_id = self._new_run(f"compare {self.lineage.task}", {"kind": "comparison"})
        self._log_config(self.run_id, self.config)

    @property
    def key(self) -> str:
        """The same for the same question: config, data and code."""
        asked = [self.config, self.lineage.digest, self.lineage.cutoff, code_version()]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()

    def finished_before(self, entry: Entry) -> Outcome | None:
        """The outcome of a finished child of the same entry."""
        if not self.parent:
            return None
        query = f"tags.`mlflow.parentRunId` = '{self.run_id}' AND tags.entry = '{entry.label}'"
        found = self.store.client.search_runs([self._experiment], query)
        done = [r for r in found if r.info.status == "FINISHED"]
        if not done:
            return None
        self.runs[entry.label] = done[0].info.run_id
        return outcome_of(self.store.client, done[0])

    def checkpoint(self, entry: Entry) -> Path:
        """A folder that depends on the question and the entry only."""
        settings = [self.child_config(entry), self.lineage.digest, entry.origin]
        text = json.dumps(settings, sort_keys=True, default=str)
        return self.checkpoints / hashlib.sha256(text.encode()).hexdigest()[:24]

    def start(self, entry: Entry, arena: Arena) -> None:
        """A child run with parameters, tags, data lineage, config and reports."""
        config = self.child_config(entry)
        tags = {
            "kind": "model",
            "entry": entry.label,
            "model": entry.contender.name,
            "seed": str(entry.seed),
            "origin": str(entry.origin),
            "cutoff": str(arena.fold.cutoff or ""),
        }
        if self.parent:
            tags["mlflow.parentRunId"] = self.run_id
        self._current = self._new_run(entry.label, tags)
        self.runs[entry.label] = self._current
        if not self.parent:
            self.run_id = self._current
        self._log_config(self._current, config)
        self._log_data(self._current)

    def finish(self, entry: Entry, arena: Arena, outcome: Outcome) -> None:
        """Metrics, tables, plots and the bundle of the finished child."""
        client, run_id = self.store.client, self._running()
        log_outcome(client, run_id, outcome)
        log_figures(client, run_id, self.figures(outcome))
        if outcome.scorer is not None:
            with artifacts(client, run_id) as folder:
                self.bundle(entry, arena, outcome, folder / "bundle")
                size = sum(f.stat().st_size for f in (folder / "bundle").rglob("*") if f.is_file())
            log_metrics(client, run_id, {"bundle_mb": size / 2**20})
        client.set_terminated(run_id, "FINISHED")
        shutil.rmtree(self.checkpoint(entry), ignore_errors=True)
        self._current = None

    def fail(self, entry: Entry, error: Exception) -> None:
        """The child is FAILED, with its error."""
        if self._current is None:
            return
        client = self.store.client
        client.set_tag(self._current, "error", f"{type(error).__name__}: {error}"[:5000])
        client.log_text(self._current, "".join(traceback.format_exception(error)), "error.txt")
        client.set_terminated(self._current, "FAILED")
        self._current = None

    def close(self, status: str) -> None:
        """End what is still open with `status`: FINISHED, FAILED or KILLED."""
        client = self.store.client
        if self._current is not None:
            client.set_terminated(self._current, status)
            self._current = None
        if self.parent and self.run_id:
            client.set_terminated(self.run_id, status)

    def _running(self) -> str:
        assert self._current is not None, "no entry was started"
        return self._current

    def _new_run(self, name: str, tags: Mapping[str, str]) -> str:
        """A run with the tags that every run of the comparison has."""
        common = {
            "task": self.lineage.task,
            "data": self.lineage.data,
            "data_digest": self.lineage.digest,
            "split": self.lineage.split,
            "cutoff": self.lineage.cutoff,
            "code_version": code_version(),
            KEY: self.key,
            PROCESS: _this_process(),
        }
        run = self.store.client.create_run(self._experiment, run_name=name, tags={**common, **tags})
        return str(run.info.run_id)

    def _log_config(self, run_id: str, config: Mapping[str, Any]) -> None:
        """The full config as YAML, flattened as parameters, and the reports."""
        from mlflow.entities import Param

        client = self.store.client
        params = [Param(k, v[:6000]) for k, v in flattened(config).items()]
        client.log_batch(run_id, params=params[:100])
        for start in range(100, len(params), 100):
            client.log_batch(run_id, params=params[start : start + 100])
        with artifacts(client, run_id) as folder:
            (folder / "config.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False))
            for name, report in self.lineage.reports.items():
                text = json.dumps(report, indent=2, default=str)
                (folder / f"{name}.json").write_text(text)

    def _log_data(self, run_id: str) -> None:
        """Which data the run learned from, as MLflow shows it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=self.lineage.data,
            digest=self.lineage.digest[:36],
            source_type="growthlab",
            source=json.dumps({"source": self.lineage.source, "sha256": self.lineage.digest}),
        )
        tags = [InputTag("mlflow.data.context", "training")]
        self.store.client.log_inputs(run_id, datasets=[DatasetInput(dataset=dataset, tags=tags)])

    def _refuse_if_alive(self, process: str) -> None:
        """Two processes on one comparison would run everything twice."""
        host, _, number = process.partition(":")
        if host != socket.gethostname() or not number or int(number) == os.getpid():
            return
        if psutil.pid_exists(int(number)):
            raise ConfigError(
                f"this comparison is running in process {number}: wait for it, end it, "
                "or change the config (another seed, other models)"
            )


def _this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
