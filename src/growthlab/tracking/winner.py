"""Which run is to leave the lab: a named one, or the best by validation of the newest comparison."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from growthlab.core.errors import ConfigError, ExportError
from growthlab.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run


def winner_of(store: Store, experiment: str, objective: str, maximise: bool) -> Run:
    """The best run by the validation objective among the newest comparison's models (mean over seeds).

    Only exportable models at the newest cutoff count; among the seeds of the best model, the best seed.

    Raises
    ------
    ExportError
        There is no comparison yet, or none of its models can be exported.
    """
    client = store.client
    found = client.get_experiment_by_name(experiment)
    parents = (
        client.search_runs(
            [found.experiment_id], "tags.kind = 'comparison'", order_by=["start_time DESC"]
        )
        if found is not None
        else []
    )
    if not parents:
        raise ExportError(
            f"no comparison in {experiment}: run growthlab compare first, or give run=ID"
        )
    query = f"tags.`mlflow.parentRunId` = '{parents[0].info.run_id}' AND tags.origin = '0'"
    children = client.search_runs([parents[0].info.experiment_id], query)
    by_model: dict[str, list[Run]] = defaultdict(list)
    for run in children:
        done = run.info.status == "FINISHED" and f"valid/{objective}" in run.data.metrics
        if done and run.data.tags.get("exportable") == "yes":
            by_model[run.data.tags["model"]].append(run)
    if not by_model:
        raise ExportError(
            f"the newest comparison in {experiment} has no finished model that can be exported: "
            "give run=ID"
        )
    sign = 1 if maximise else -1

    def value(run: Run) -> float:
        return sign * float(run.data.metrics[f"valid/{objective}"])

    best = max(by_model.values(), key=lambda runs: fmean(map(value, runs)))
    return max(best, key=value)


def run_of(store: Store, run_id: str) -> Run:
    """The named run.

    Raises
    ------
    ConfigError
        There is no such run in the store.
    ExportError
        It carries no bundle.
    """
    try:
        run = store.client.get_run(run_id)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"run={run_id} in {store.uri}: {reason}") from error
    exportable = run.data.tags.get("exportable", "it is no finished run of one model")
    if exportable != "yes":
        raise ExportError(f"run={run_id} cannot be exported: {exportable}")
    return run


def fetched_bundle(store: Store, run: Run, folder: Path) -> Path:
    """The run's bundle, downloaded into `folder`."""
    path = store.client.download_artifacts(run.info.run_id, "bundle", str(folder))
    return Path(path)
