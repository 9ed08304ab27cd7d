"""A search in MLflow: a parent run a call, a child a trial."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

import yaml

from growthlab.tracking.lineage import Lineage
from growthlab.tracking.processes import PROCESS, end_orphans, this_process
from growthlab.tracking.run_files import flattened, log_metrics
from growthlab.tracking.store import Store


class SearchRun:
    """Trials as child runs of one parent."""

    def __init__(
        self, store: Store, lineage: Lineage, config: Mapping[str, Any], study: str
    ) -> None:
        self._store, self._lineage, self._study = store, lineage, study
        self._experiment = store.experiment(lineage.experiment)
        self._current: str | None = None
        end_orphans(store.client, self._experiment, f"tags.study = '{study}'")
        self.run_id = self._new_run(f"tune {study}", {"kind": "search"})
        text = yaml.safe_dump(dict(config), sort_keys=False)
        store.client.log_text(self.run_id, text, "config.yaml")
        store.client.log_inputs(self.run_id, datasets=[lineage.dataset()])

    def start(self, number: int, overrides: Mapping[str, Any]) -> None:
        """A trial begins with these settings."""
        from mlflow.entities import Param

        tags = {"kind": "trial", "trial": str(number), "mlflow.parentRunId": self.run_id}
        self._current = self._new_run(f"trial {number}", tags)
        params = [Param(k, v) for k, v in flattened(overrides).items()]
        self._store.client.log_batch(self._current, params=params)

    def finish(self, valid: Mapping[str, float], seconds: float) -> None:
        """The trial's metrics on the validation window."""
        assert self._current is not None, "no trial was started"
        values = {**{f"valid/{n}": v for n, v in valid.items()}, "fit_seconds": seconds}
        log_metrics(self._store.client, self._current, values)
        self._end("FINISHED")

    def fail(self, error: Exception) -> None:
        """The trial is FAILED, with its error."""
        assert self._current is not None, "no trial was started"
        client = self._store.client
        client.set_tag(self._current, "error", f"{type(error).__name__}: {error}"[:5000])
        client.log_text(self._current, "".join(traceback.format_exception(error)), "error.txt")
        self._end("FAILED")

    def close(self, status: str, best: Mapping[str, Any] | None = None) -> None:
        """The search is over; `best` are the settings of the best trial so far."""
        from mlflow.entities import Param

        if self._current is not None:
            self._end(status)
        if best:
            params = [Param(f"best.{k}", v) for k, v in flattened(best).items()]
            self._store.client.log_batch(self.run_id, params=params)
        self._store.client.set_terminated(self.run_id, status)

    def _end(self, status: str) -> None:
        assert self._current is not None, "no trial was started"
        self._store.client.set_terminated(self._current, status)
        self._current = None

    def _new_run(self, name: str, tags: Mapping[str, str]) -> str:
        own = {"study": self._study, PROCESS: this_process()}
        tags = {**self._lineage.tags(), **own, **tags}
        run = self._store.client.create_run(self._experiment, run_name=name, tags=tags)
        return str(run.info.run_id)
