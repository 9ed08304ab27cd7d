"""The winner of the newest comparison: the best run on the validation window."""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from growthlab.core.errors import ExportError
from growthlab.tracking.run_files import download_artifact
from growthlab.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)


def winner_of(store: Store, experiment: str, objective: str, maximise: bool) -> Run:
    """The best run by the validation objective in the newest finished comparison.

    Models are ranked by the mean over their seeds, and the best seed of the best model wins; only
    runs at the newest cutoff count. Better models that cannot be exported are logged.

    Raises
    ------
    ExportError
        There is no comparison yet, or none of its models can be exported.
    """
    parent = _newest_comparison(store, experiment)
    query = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' AND tags.origin = '0'"
    children = store.client.search_runs([parent.info.experiment_id], query)
    by_model: dict[str, list[Run]] = defaultdict(list)
    for run in children:
        if run.info.status == "FINISHED" and f"valid/{objective}" in run.data.metrics:
            by_model[run.data.tags["model"]].append(run)
    sign = 1 if maximise else -1

    def value(run: Run) -> float:
        return sign * float(run.data.metrics[f"valid/{objective}"])

    ranked = sorted(by_model.values(), key=lambda runs: fmean(map(value, runs)), reverse=True)
    for runs in ranked:
        best = max(runs, key=value)
        why_not = best.data.tags.get("exportable", "the run left no bundle")
        if why_not == "yes":
            return best
        log.warning("%s is better by validation: %s", best.data.tags["model"], why_not)
    raise ExportError(
        f"the newest comparison in {experiment} has no finished model that can be exported: "
        "give run=ID"
    )


def _newest_comparison(store: Store, experiment: str) -> Run:
    """The newest comparison with a winner; interrupted ones have none."""
    known = store.client.get_experiment_by_name(experiment)
    if known is not None:
        newest = store.client.search_runs(
            [known.experiment_id],
            "tags.kind = 'comparison' AND tags.winner LIKE '%'",
            order_by=["start_time DESC"],
            max_results=1,
        )
        if newest:
            return newest[0]
    raise ExportError(f"no comparison in {experiment}: run growthlab compare first, or give run=ID")


def download_bundle(store: Store, run_id: str, folder: Path) -> Path:
    """Download the run's bundle into `folder`, and return its path."""
    return download_artifact(store.client, run_id, "bundle", folder)
