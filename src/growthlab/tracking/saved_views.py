"""Saved views of an experiment in MLflow's web page: the runs to look at, their columns and their order.

MLflow from 3.15 on reads them from tags of the experiment; to earlier versions these are plain tags.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from growthlab.tracking.store import Store

COMPARISONS = "comparisons"  # a row a comparison, the newest first
NEWEST = "newest"  # the models of the newest comparison, best first
MODELS = "models"  # every run of one model
TRIALS = "trials"  # of the searches
TAG = "mlflow.sharedViewState."
VERDICT = ("difference", "difference/low", "difference/high", "p_holm")  # of a comparison's run
CREATED, USER = "attributes.`Created`", "attributes.`User`"


def save_comparison_views(
    store: Store, experiment_id: str, objective: str, *, maximise: bool, newest: str = ""
) -> None:
    """Save the views of comparisons and their models; `newest` is the id of the newest comparison."""
    test, valid = f"test/{objective}", f"valid/{objective}"
    measured = [test, f"{test}/low", f"{test}/high", valid, "fit_seconds"]
    columns = [CREATED, *_metrics(*measured), *_tags("cutoff", "exportable")]
    best_first = {"orderByKey": _metric(test), "orderByAsc": not maximise}
    views = {MODELS: _view("tags.kind = 'model'", columns, **best_first)}
    if newest:
        verdict = _metrics(*VERDICT, f"winner/{objective}")
        shown = [CREATED, USER, *_tags("winner", "baseline", "data", "cutoff"), *verdict]
        views[COMPARISONS] = _view("tags.kind = 'comparison'", shown)
        condition = f"tags.`mlflow.parentRunId` = '{newest}'"
        views[NEWEST] = _view(condition, columns, **best_first)
    _save(store, experiment_id, views)


def save_trial_view(store: Store, experiment_id: str, objective: str, *, maximise: bool) -> None:
    """Save the view of the trials of all searches, the best first."""
    measured = [f"valid/{objective}", "epochs", "fit_seconds", "score_seconds"]
    columns = [CREATED, *_metrics(*measured), *_tags("study", "state")]
    order = {"orderByKey": _metric(measured[0]), "orderByAsc": not maximise}
    _save(store, experiment_id, {TRIALS: _view("tags.kind = 'trial'", columns, **order)})


def _save(store: Store, experiment_id: str, views: dict[str, dict[str, Any]]) -> None:
    for key, view in views.items():
        store.client.set_experiment_tag(experiment_id, f"{TAG}{key}", json.dumps(view))


def _view(condition: str, columns: Sequence[str], **order: object) -> dict[str, Any]:
    """The state of MLflow's table of runs, as its web page keeps it."""
    return {
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        **order,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "searchFilter": condition,
        "selectedColumns": list(columns),
        "runsPinned": [],
        "runsExpanded": {},
        "runsHidden": [],
        "runListHidden": False,
        "viewMaximized": False,
        "groupBy": None,
        "useGroupedValuesInCharts": True,
    }


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _metrics(*names: str) -> list[str]:
    return [_metric(name) for name in names]


def _tags(*names: str) -> list[str]:
    return [f"tags.`{name}`" for name in names]
