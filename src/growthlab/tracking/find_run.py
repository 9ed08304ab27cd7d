"""The one way to a run: by its id, or by a beginning of it that no other run shares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from growthlab.core.errors import ConfigError, ExportError, one_line
from growthlab.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BEGINNING = re.compile("[0-9a-f]{8,31}")
MOST_NAMED = 8  # runs in the line of an error
PARENT = "mlflow.parentRunId"


def find_run(store: Store, word: str) -> Run:
    """The run that a word such as ``run=ID`` names: a whole id, or the first 8 characters or more.

    Raises
    ------
    ConfigError
        There is no such run, or more than one.
    """
    store.require(word)
    wanted = word.partition("=")[2]
    try:
        return store.client.get_run(wanted)
    except Exception as error:
        matches = _runs_beginning(store.client, wanted) if BEGINNING.fullmatch(wanted) else []
        if not matches:
            raise ConfigError(f"{word} in {store.uri}: {one_line(error)}") from error
    if len(matches) > 1:
        ids = ", ".join(sorted(str(run.info.run_id) for run in matches))
        raise ConfigError(f"{word} is the beginning of more than one run's id: {ids}")
    return matches[0]


def find_model_run(store: Store, word: str, *, finished: bool = False) -> Run:
    """The run of one model that a word names, see `find_run`; with `finished` one that succeeded.

    Raises
    ------
    ConfigError
        There is no such run, or it is not a (finished) run of one model.
    """
    run = find_run(store, word)
    is_model = run.data.tags.get("kind") == "model"
    if not is_model or (finished and run.info.status != "FINISHED"):
        what = "a finished run of one model" if finished else "a run of one model"
        raise ConfigError(f"{word} is not {what}: {_what_to_name(store.client, run)}")
    return run


def find_exportable_run(store: Store, word: str) -> Run:
    """The finished run of one model that a word names, and that left a bundle.

    Raises
    ------
    ConfigError
        There is no such run, or it is not a finished run of one model.
    ExportError
        Its model is of a kind that cannot be exported.
    """
    run = find_model_run(store, word, finished=True)
    exportable = run.data.tags.get("exportable", "the run left no bundle")
    if exportable != "yes":
        raise ExportError(f"{word} is not exportable: {exportable}")
    return run


def _runs_beginning(client: MlflowClient, beginning: str) -> list[Run]:
    """Runs whose id begins so, `MOST_NAMED` at most."""
    experiments = [e.experiment_id for e in client.search_experiments()]
    query = f"attributes.run_id LIKE '{beginning}%'"
    return list(client.search_runs(experiments, query, max_results=MOST_NAMED))


def _what_to_name(client: MlflowClient, run: Run) -> str:
    """What to name in place of a run that is not one of a model: its children, if it has any."""
    experiment = run.info.experiment_id
    query = f"tags.`{PARENT}` = '{run.info.run_id}' AND tags.kind = 'model'"
    children = client.search_runs([experiment], f"{query} AND attributes.status = 'FINISHED'")
    if not children:
        return "name one of growthlab train, or a child run of growthlab compare"
    names = sorted(f"{c.data.tags.get('model')} {c.info.run_id}" for c in children)
    return f"name one of its children: {', '.join(names[:MOST_NAMED])}"
