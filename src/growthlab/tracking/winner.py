"""The winner of the newest comparison: the run that the validation window chooses."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from growthlab.core.errors import ExportError
from growthlab.evaluation.choice import ChoiceRule, Judged, default_words, least_deciding
from growthlab.tracking.run_files import N_DECIDING, download_artifact, logged_values
from growthlab.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)


def winner_of(store: Store, experiment: str, objective: str, rule: ChoiceRule) -> Run:
    """The run that the rule chooses by the validation objective in the newest finished comparison.

    Only runs at the newest cutoff count. Models before it that cannot be exported are logged, as is
    a choice by default.

    Raises
    ------
    ExportError
        There is no comparison yet, or none of its models can be exported.
    """
    parent = _newest_comparison(store, experiment)
    query = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' AND tags.origin = '0'"
    children = store.client.search_runs(
        [parent.info.experiment_id], query, order_by=["start_time ASC"]
    )
    values = {
        run.info.run_id: _values(store, run, f"valid/{objective}")
        for run in children
        if run.info.status == "FINISHED"
    }
    finished = [r for r in children if f"valid/{objective}" in values.get(r.info.run_id, {})]

    def judge(run: Run) -> Judged:
        model, metrics = run.data.tags["model"], values[run.info.run_id]
        n_deciding = metrics.get(N_DECIDING, math.nan)
        return Judged(model, model, float(metrics[f"valid/{objective}"]), n_deciding)

    n_deciding = least_deciding(map(judge, finished))
    by_default = rule.is_default(n_deciding)
    if by_default:
        log.warning("chosen by default: %s", default_words(n_deciding, rule.min_deciding))
    for best, *_ in rule.rank(finished, judge):
        why_not = best.data.tags.get("exportable", "the run left no bundle")
        if why_not == "yes":
            return best
        before = "the default" if by_default else "better by validation"
        log.warning("%s is %s: %s", best.data.tags["model"], before, why_not)
    raise ExportError(
        f"the newest comparison in {experiment} has no finished model that can be exported: "
        "give run=ID"
    )


def _values(store: Store, run: Run, name: str) -> Mapping[str, float]:
    """The metrics of a run; all its values where `name` is none of them."""
    metrics: Mapping[str, float] = run.data.metrics
    return metrics if name in metrics else logged_values(store.client, run)


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
