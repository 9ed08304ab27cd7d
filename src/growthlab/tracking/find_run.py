"""Find a run by its id, or by the first characters of it if no other run's id begins so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from growthlab.core.errors import ConfigError, ExportError, one_line
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.tracking.outbox import KEY
from growthlab.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ID_BEGINNING = re.compile("[0-9a-f]{8,31}")
ID = re.compile("[0-9a-f]{32}")
MAX_NAMED = 8  # runs named in an error
PARENT_TAG = "mlflow.parentRunId"


def find_run(store: Store, word: str) -> Run:
    """The run that a word such as ``run=ID`` names, by the whole id or its first 8 characters or more.

    Raises
    ------
    ConfigError
        There is no such run, or more than one.
    """
    store.require_exists(word)
    run_id = word.partition("=")[2]
    try:
        return store.client.get_run(run_id)
    except Exception as error:
        raise_if_storage_failed(error)
        matches = _runs_beginning(store.client, run_id) if ID_BEGINNING.fullmatch(run_id) else []
        matches = matches or _runs_begun_as(store.client, run_id)
        if not matches:
            raise ConfigError(f"{word} in {store.name}: {one_line(error)}") from error
    if len(matches) > 1:
        ids = ", ".join(sorted(str(run.info.run_id) for run in matches))
        raise ConfigError(f"{word} is the beginning of more than one run's id: {ids}")
    return matches[0]


def find_model_run(store: Store, word: str, *, finished: bool = False) -> Run:
    """The run of one model that a word names, see `find_run`; with `finished` it must be finished.

    Raises
    ------
    ConfigError
        There is no such run, or it is not a (finished) run of one model.
    """
    run = find_run(store, word)
    is_model = run.data.tags.get("kind") == "model"
    if not is_model or (finished and run.info.status != "FINISHED"):
        what = "a finished run of one model" if finished else "a run of one model"
        raise ConfigError(f"{word} is not {what}: {_runs_to_name(store.client, run)}")
    return run


def find_exportable_run(store: Store, word: str) -> Run:
    """The finished run of one model that a word names, which must have a bundle.

    Raises
    ------
    ConfigError
        There is no such run, or it is not a finished run of one model.
    ExportError
        Its model cannot be exported.
    """
    run = find_model_run(store, word, finished=True)
    exportable = run.data.tags.get("exportable", "the run left no bundle")
    if exportable != "yes":
        raise ExportError(f"{word} is not exportable: {exportable}")
    return run


def _runs_beginning(client: MlflowClient, beginning: str) -> list[Run]:
    """At most `MAX_NAMED` runs whose id begins so."""
    experiments = [e.experiment_id for e in client.search_experiments()]
    query = f"attributes.run_id LIKE '{beginning}%'"
    return list(client.search_runs(experiments, query, max_results=MAX_NAMED))


def _runs_begun_as(client: MlflowClient, run_id: str) -> list[Run]:
    """The run that had this id before its server gave it another one."""
    if not ID.fullmatch(run_id):
        return []
    experiments = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(experiments, f"tags.`{KEY}` = '{run_id}'", max_results=1))


def _runs_to_name(client: MlflowClient, run: Run) -> str:
    """A hint at runs to name instead of one that is not of a model: its children, if there are any."""
    experiment = run.info.experiment_id
    query = f"tags.`{PARENT_TAG}` = '{run.info.run_id}' AND tags.kind = 'model'"
    children = client.search_runs([experiment], f"{query} AND attributes.status = 'FINISHED'")
    if not children:
        return "name one of growthlab train, or a child run of growthlab compare"
    names = sorted(f"{c.data.tags.get('model')} {c.info.run_id}" for c in children)
    return f"name one of its children: {', '.join(names[:MAX_NAMED])}"
