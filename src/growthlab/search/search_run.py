"""A search in MLflow: one run a study, and one child run a trial, from any number of processes."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from growthlab.core.interrupts import uninterrupted
from growthlab.pages.csv_table import csv_of_table
from growthlab.search.search_report import search_figures, trials_table
from growthlab.search.study import Study
from growthlab.search.trial import FinishedTrial, Trial, TrialResult
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.process_identity import PROCESS, end_orphans, this_process
from growthlab.tracking.run_clock import CLOCK, end_run, new_run
from growthlab.tracking.run_files import (
    artifact_folder,
    flattened,
    log_curves,
    log_figures,
    log_metrics,
    log_params,
)
from growthlab.tracking.saved_views import save_trial_view
from growthlab.tracking.store import Store

RUN_STATUS = {
    "complete": "FINISHED",
    "pruned": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
STUDY_TAG = "growthlab.study"  # holds the id of the study
STATE_TAG = "state"  # of a trial: complete, pruned, failed, interrupted


class SearchRun:
    """Logs trials as child runs of the study's run, which the first process creates.

    Runs of trials whose process was killed are ended with the result that the study has.
    """

    def __init__(
        self,
        store: Store,
        lineage: Lineage,
        config: Mapping[str, Any],
        study: Study,
        objectives: Sequence[str],
    ) -> None:
        self._store, self._lineage, self._study = store, lineage, study
        self._objectives = objectives
        self._client = store.client
        self._experiment = store.experiment(lineage.searches)
        self._current: str | None = None
        self.run_id = ""
        try:
            with study.locked(), uninterrupted():
                self.run_id = self._existing_run() or self._new_search(config)
            save_trial_view(store, self._experiment, objectives[0], maximise=study.maximise[0])
        except KeyboardInterrupt:
            if self.run_id:
                self.close("KILLED")
            raise

    @uninterrupted()
    def start(self, trial: Trial) -> None:
        """Create the run of a trial."""
        number = trial.number
        tags = {"kind": "trial", "trial": str(number), "mlflow.parentRunId": self.run_id}
        self._current = self._new_run(f"trial {number}", tags)
        log_params(self._client, self._current, trial.overrides)

    @uninterrupted()
    def finish(self, trial: Trial, result: TrialResult, error: Exception | None) -> None:
        """End the run of a trial with its result."""
        assert self._current is not None, "no trial was started"
        run_id, self._current = self._current, None
        if error is not None:
            text = "".join(traceback.format_exception(error))
            self._client.log_text(run_id, text, "error.txt")
        self._end(run_id, result)

    @uninterrupted()
    def end_orphaned_trials(self) -> None:
        """End the runs of trials whose process was killed, with the result that the study has."""
        self._study.give_up_dead_trials()
        own_trials = f"tags.`{STUDY_TAG}` = '{self._study.id}' AND tags.kind = 'trial'"
        running = {str(n) for n in self._study.running()}  # for example on another machine
        orphans = end_orphans(
            self._client,
            self._experiment,
            own_trials,
            lambda run: run.data.tags["trial"] in running,
        )
        for run in orphans:
            CLOCK.continue_after(run.info.start_time)
            trial = self._study.ended(int(run.data.tags["trial"]))
            self._end(run.info.run_id, trial.result if trial else TrialResult("interrupted"))

    @uninterrupted()
    def close(self, status: str, best: FinishedTrial | None = None) -> None:
        """Log the trials as a table and plots and the best settings as tags, and end the study's run."""
        if self._current is not None:
            self._end(self._current, TrialResult("interrupted", why="the search was ended"))
            self._current = None
        self._study.end_own_trials()
        if status != "FINISHED" and self._study.running():
            return  # another process continues
        finished = self._study.finished()
        with artifact_folder(self._client, self.run_id) as folder:
            trials = csv_of_table(trials_table(finished, self._objectives))
            (folder / "trials.csv").write_text(trials, encoding="utf-8")
        log_figures(self._client, self.run_id, search_figures(self._study.optuna, self._objectives))
        if best is not None:
            for name, value in flattened(best.overrides).items():
                self._client.set_tag(self.run_id, f"best.{name}", value)
            self._client.set_tag(self.run_id, "best.trial", str(best.number))
            named = zip(self._objectives, best.result.values, strict=True)
            log_metrics(self._client, self.run_id, {f"valid/{n}": v for n, v in named})
        if not self._study.running():
            end_run(self._client, self.run_id, status)

    def _end(self, run_id: str, result: TrialResult) -> None:
        """Log the metrics, the curve and the state of a trial, and end its run."""
        values = {f"valid/{n}": v for n, v in result.valid.items()}
        if result.epochs is not None:
            values["epochs"] = result.epochs
        log_metrics(self._client, run_id, {**values, **result.costs})
        curve = [result.curve[n] for n in sorted(result.curve)]
        log_curves(self._client, run_id, {"epoch/objective": curve} if curve else {})
        self._client.set_tag(run_id, STATE_TAG, result.state)
        if result.why:
            name = "error" if result.state == "failed" else "why"
            self._client.set_tag(run_id, name, result.why[:5000])
        end_run(self._client, run_id, RUN_STATUS[result.state])

    def _existing_run(self) -> str | None:
        """The run of this study, if there is one in the store.

        Earlier versions kept it, and so it keeps its trials, in the experiment of the comparisons.
        """
        query = f"tags.`{STUDY_TAG}` = '{self._study.id}' AND tags.kind = 'search'"
        before = self._client.get_experiment_by_name(self._lineage.experiment)
        earlier = [] if before is None else [str(before.experiment_id)]
        runs = self._client.search_runs([self._experiment, *earlier], query, max_results=1)
        if not runs:
            return None
        self._experiment = str(runs[0].info.experiment_id)
        CLOCK.continue_after(runs[0].info.start_time)
        self._client.update_run(runs[0].info.run_id, status="RUNNING")
        return str(runs[0].info.run_id)

    def _new_search(self, config: Mapping[str, Any]) -> str:
        run_id = self._new_run(f"tune {self._study.name}", {"kind": "search"})
        text = yaml.safe_dump(dict(config), sort_keys=False)
        self._client.log_text(run_id, text, "config.yaml")
        self._client.log_inputs(run_id, datasets=[self._lineage.dataset()])
        return run_id

    def _new_run(self, name: str, tags: Mapping[str, str]) -> str:
        study_tags = {"study": self._study.name, STUDY_TAG: self._study.id, PROCESS: this_process()}
        tags = {**self._lineage.tags(), **study_tags, **tags}
        return new_run(self._client, self._experiment, name, tags)
