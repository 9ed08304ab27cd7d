"""A search in MLflow: a parent run a call, a child a trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from growthlab.tracking.comparison_run import Lineage
from growthlab.tracking.run_files import flattened, log_metrics
from growthlab.tracking.store import Store, code_version


class SearchRun:
    """Trials as child runs of one parent."""

    def __init__(
        self, store: Store, lineage: Lineage, config: Mapping[str, Any], study: str
    ) -> None:
        self._store = store
        self._experiment = store.experiment(lineage.experiment)
        self._tags = {
            "task": lineage.task,
            "data": lineage.data,
            "data_digest": lineage.digest,
            "split": lineage.split,
            "cutoff": lineage.cutoff,
            "code_version": code_version(),
        }
        tags = {"kind": "search", "study": study, **self._tags}
        run = store.client.create_run(self._experiment, run_name=f"tune {study}", tags=tags)
        self.run_id = str(run.info.run_id)
        store.client.log_dict(self.run_id, dict(config), "config.yaml")

    def trial(
        self,
        number: int,
        overrides: Mapping[str, Any],
        value: float | None,
        error: Exception | None,
    ) -> None:
        """One trial: its settings, and its value or its error."""
        from mlflow.entities import Param

        client = self._store.client
        tags = {"kind": "trial", "mlflow.parentRunId": self.run_id, **self._tags}
        if error is not None:
            tags["error"] = f"{type(error).__name__}: {error}"[:5000]
        run = client.create_run(self._experiment, run_name=f"trial {number}", tags=tags)
        params = [Param(k, v) for k, v in flattened(overrides).items()]
        client.log_batch(run.info.run_id, params=params)
        if value is not None:
            log_metrics(client, run.info.run_id, {"valid/objective": value})
        client.set_terminated(run.info.run_id, "FAILED" if error else "FINISHED")

    def close(self) -> None:
        """The search is over."""
        self._store.client.set_terminated(self.run_id, "FINISHED")
