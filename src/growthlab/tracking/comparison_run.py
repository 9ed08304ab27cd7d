"""A comparison in MLflow: a parent run, and a child run for each model and seed; it can be resumed."""

from __future__ import annotations

import hashlib
import json
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Self

import yaml

from growthlab.core.errors import ConfigError
from growthlab.core.interrupts import uninterrupted
from growthlab.evaluation.outcome import Outcome
from growthlab.tasks.entry import Entry
from growthlab.tasks.fold_evaluation import FoldEvaluation
from growthlab.tracking.checkpoints import Checkpoints
from growthlab.tracking.code_version import code_version
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.process_identity import PROCESS, end_orphans, is_alive, this_process
from growthlab.tracking.run_clock import CLOCK, end_run, new_run
from growthlab.tracking.run_files import (
    artifact_folder,
    log_figures,
    log_metrics,
    log_outcome,
    log_params,
    read_outcome,
)
from growthlab.tracking.run_notes import NOTE, note_of_model
from growthlab.tracking.saved_views import save_comparison_views
from growthlab.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)

KEY_TAG = "growthlab.key"
PARENT_TAG = "mlflow.parentRunId"
UNFINISHED = ("RUNNING", "KILLED", "FAILED")


@dataclass
class ComparisonRun:
    """Logs a comparison, or with `parent` False a single model, whose run then has no parent.

    A context manager: at its end, open runs become FINISHED, FAILED if an entry failed or an error
    ended the block, or KILLED if it was interrupted. `config` is the composed config of the whole
    command; `child_config` gives the config of one entry, which ``rerun`` can run again. `reports`
    gives the JSON artifacts of an origin, `bundle` writes an outcome's bundle to a folder, and
    `figures` draws its plots.
    """

    store: Store
    lineage: Lineage
    config: Mapping[str, Any]
    child_config: Callable[[Entry], Mapping[str, Any]]
    reports: Callable[[int], Mapping[str, Any]]
    bundle: Callable[[Entry, FoldEvaluation, Outcome, Path], Any]
    figures: Callable[[Outcome], Mapping[str, Any]]
    checkpoints: Path
    columns: Sequence[str] = ()  # metrics of the leaderboard
    parent: bool = True
    run_id: str = ""
    runs: dict[str, str] = field(default_factory=dict)  # entry label -> run id
    _bundle_mb: dict[str, list[float]] = field(default_factory=dict)  # model -> sizes
    _n_failed: int = 0
    _open: dict[str, str] = field(default_factory=dict)  # label -> run of an entry that runs
    _claimed: dict[str, Checkpoints] = field(default_factory=dict)  # label -> its checkpoint folder
    _resumes: bool = False

    def __enter__(self) -> Self:
        try:
            self.open()
        except KeyboardInterrupt:
            self.close("KILLED")
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        failed = kind is not None or self._n_failed
        self.close("KILLED" if interrupted else "FAILED" if failed else "FINISHED")

    @property
    def bundle_mb(self) -> dict[str, float]:
        """The mean size of each model's bundles."""
        return {model: fmean(sizes) for model, sizes in self._bundle_mb.items()}

    def open(self) -> None:
        """Start the parent run, or resume an interrupted one of the same config, data and code.

        Raises
        ------
        ConfigError
            Another process runs the same comparison.
        """
        self._experiment = self.store.experiment(self.lineage.experiment)
        client = self.store.client
        if not self.parent:
            own_runs = f"tags.`{KEY_TAG}` = '{self.key}' AND tags.kind = 'model'"
            end_orphans(client, self._experiment, own_runs)
            self._save_views()
            return
        with self.store.locked(), uninterrupted():
            run = self._interrupted()
            self._resumes = run is not None
            if run is None:
                self.run_id = self._new_run(self._name, {"kind": "comparison"})
            else:
                self._resume(run)
        self._log_config(self.run_id, self.config, origin=0)
        self._log_data(self.run_id)
        self._save_views()

    @property
    def experiment_id(self) -> str:
        """The id of the experiment of the runs."""
        return self._experiment

    @property
    def key(self) -> str:
        """A hash of config, data and code, by which an interrupted comparison is recognised."""
        content = [self.config, self.lineage.digest, self.lineage.cutoff, code_version()]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def finished_before(self, entry: Entry) -> Outcome | None:
        """The outcome of an entry that an interrupted call had finished; None if it had not."""
        if not self._resumes:
            return None
        finished = self._children(f"tags.entry = '{entry.label}' AND status = 'FINISHED'")
        if not finished:
            return None
        self.runs[entry.label] = finished[0].info.run_id
        if "bundle_mb" in finished[0].data.metrics:
            self._add_size(entry, finished[0].data.metrics["bundle_mb"])
        return read_outcome(self.store.client, finished[0])

    def checkpoint(self, entry: Entry) -> Path | None:
        """The checkpoint folder of an entry; None if another process uses it."""
        fit = [self.child_config(entry), self.lineage.digest, entry.origin, code_version()]
        self._claimed[entry.label] = Checkpoints(self.checkpoints)
        return self._claimed[entry.label].claim(json.dumps(fit, sort_keys=True, default=str))

    @uninterrupted()
    def start(self, entry: Entry, evaluation: FoldEvaluation) -> None:
        """Create the run of an entry with its parameters, tags, data, config and reports."""
        tags = {
            "kind": "model",
            "entry": entry.label,
            "model": entry.contender.name,
            "model_family": evaluation.task.models,
            "model_class": str(entry.contender.settings.get("_target_", "")),
            "seed": str(entry.seed),
            "origin": str(entry.origin),
            "cutoff": str(evaluation.fold.cutoff or ""),
        }
        if self.parent:
            tags[PARENT_TAG] = self.run_id
        tags[NOTE] = note_of_model(entry.label, self._experiment, tags.get(PARENT_TAG, ""))
        run_id = self._new_run(entry.label, tags)
        self._open[entry.label] = self.runs[entry.label] = run_id
        if not self.parent:
            self.run_id = run_id
        self._log_config(run_id, self.child_config(entry), entry.origin)
        self._log_data(run_id)

    @uninterrupted()
    def finish(self, entry: Entry, evaluation: FoldEvaluation, outcome: Outcome) -> None:
        """Log metrics, tables, plots and the bundle of an entry, and end its run."""
        client, run_id = self.store.client, self._open[entry.label]
        first = [evaluation.task.objective, *self.columns]
        log_outcome(client, run_id, outcome, list(dict.fromkeys(first)))
        client.set_tag(run_id, "device", outcome.device)
        log_figures(client, run_id, self.figures(outcome))
        if outcome.scorer is not None:
            with artifact_folder(client, run_id) as folder:
                self.bundle(entry, evaluation, outcome, folder / "bundle")
                size = sum(f.stat().st_size for f in (folder / "bundle").rglob("*") if f.is_file())
            self._add_size(entry, size / 2**20)
            log_metrics(client, run_id, {"bundle_mb": size / 2**20})
        end_run(client, run_id, "FINISHED")
        del self._open[entry.label]
        self._claimed.pop(entry.label).remove()

    @uninterrupted()
    def fail(self, entry: Entry, error: Exception) -> None:
        """End the run of an entry as FAILED, with its error."""
        self._n_failed += 1
        self._release(entry.label)
        run_id, client = self._open.get(entry.label), self.store.client
        if run_id is None:
            return
        client.set_tag(run_id, "error", f"{type(error).__name__}: {error}"[:5000])
        client.log_text(run_id, "".join(traceback.format_exception(error)), "error.txt")
        end_run(client, run_id, "FAILED")
        del self._open[entry.label]

    @uninterrupted()
    def leave_out(self, entry: Entry) -> None:
        """Remove the run of an entry that takes no part after all."""
        self._release(entry.label)
        run_id = self.runs.pop(entry.label, None)
        self._open.pop(entry.label, None)
        if run_id is not None:
            self.store.client.delete_run(run_id)

    @uninterrupted()
    def close(self, status: str) -> None:
        """End the open runs with `status`: FINISHED, FAILED or KILLED."""
        for label in list(self._claimed):
            self._release(label)
        client = self.store.client
        for label in list(self._open):
            end_run(client, self._open.pop(label), status)
        if self.parent and self.run_id:
            end_run(client, self.run_id, status)

    @property
    def _name(self) -> str:
        """The name of the parent run, such as ``churn 2025-07-31 · 6 models``."""
        lineage, n = self.lineage, len(self.config["models"])
        what = f"{n} model{'s' * (n != 1)}"
        return f"{lineage.task} {lineage.cutoff[:10] or lineage.split} \N{MIDDLE DOT} {what}"

    def _save_views(self) -> None:
        """Save the views of the experiment, with this comparison as the newest."""
        task = self.config["task"]
        save_comparison_views(
            self.store,
            self._experiment,
            task["objective"],
            maximise=task["maximise"],
            newest=self.run_id,
        )

    def _add_size(self, entry: Entry, megabytes: float) -> None:
        self._bundle_mb.setdefault(entry.contender.name, []).append(megabytes)

    def _interrupted(self) -> Run | None:
        """The newest unfinished run of the same comparison."""
        query = f"tags.`{KEY_TAG}` = '{self.key}' AND tags.kind = 'comparison'"
        order = ["start_time DESC"]
        runs = self.store.client.search_runs([self._experiment], query, order_by=order)
        return next((r for r in runs if r.info.status in UNFINISHED), None)

    def _resume(self, run: Run) -> None:
        """Resume an interrupted run; children of a killed process become KILLED."""
        process = run.data.tags.get(PROCESS, "")
        if run.info.status == "RUNNING" and is_alive(process) and process != this_process():
            raise ConfigError(
                f"this comparison is running in process {process.split(':')[1]}: wait for it, "
                "end it, or change the config (another seed, other models)"
            )
        client, self.run_id = self.store.client, run.info.run_id
        CLOCK.continue_after(run.info.start_time)
        client.set_tag(self.run_id, PROCESS, this_process())
        client.update_run(self.run_id, status="RUNNING")
        end_orphans(client, self._experiment, f"tags.`{PARENT_TAG}` = '{self.run_id}'")
        log.info("resuming the interrupted comparison %s", self.run_id)

    def _children(self, condition: str) -> list[Run]:
        """The child runs for which the condition holds."""
        query = f"tags.`{PARENT_TAG}` = '{self.run_id}' AND {condition}"
        return list(self.store.client.search_runs([self._experiment], query))

    def _release(self, label: str) -> None:
        """Give the checkpoint folder of an entry up and keep its content."""
        if label in self._claimed:
            self._claimed.pop(label).release()

    def _new_run(self, name: str, tags: Mapping[str, str]) -> str:
        """Create a run with the tags that all runs of the comparison have."""
        tags_of_all = {KEY_TAG: self.key, PROCESS: this_process()}
        tags = {**self.lineage.tags(), **tags_of_all, **tags}
        return new_run(self.store.client, self._experiment, name, tags)

    def _log_config(self, run_id: str, config: Mapping[str, Any], origin: int) -> None:
        """Log the config as YAML and as parameters, and the reports."""
        client = self.store.client
        log_params(client, run_id, config)
        with artifact_folder(client, run_id) as folder:
            (folder / "config.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False))
            for name, report in self.reports(origin).items():
                text = json.dumps(report, indent=2, default=str)
                (folder / f"{name}.json").write_text(text)

    def _log_data(self, run_id: str) -> None:
        """Log the data set of the run."""
        self.store.client.log_inputs(run_id, datasets=[self.lineage.dataset()])
