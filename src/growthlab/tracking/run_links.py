"""Direct links into MLflow's web page: to a run, a registered model, and the saved views of an experiment."""

from __future__ import annotations

from urllib.parse import quote

from growthlab.tracking.store import Store

MODEL_TRAINING = "workflowType=machine_learning"  # else MLflow opens its page for language models


def run_address(store: Store, experiment_id: str, run_id: str, file: str | None = None) -> str:
    """The address of a run's page, or of one of its files there."""
    return f"{store.address_of_ui}/{run_place(experiment_id, run_id, file)}"


def run_place(experiment_id: str, run_id: str, file: str | None = None) -> str:
    """The part of the address that is the same wherever MLflow's page is served."""
    shown = "" if file is None else f"/artifacts/{quote(file)}"
    return f"#/experiments/{experiment_id}/runs/{run_id}{shown}?{MODEL_TRAINING}"


def model_address(store: Store, name: str) -> str:
    """The address of a registered model's page, which lists its versions."""
    return f"{store.address_of_ui}/#/models/{quote(name, safe='')}?{MODEL_TRAINING}"


def view_address(store: Store, experiment_id: str, view: str) -> str:
    """The address of a saved view, see `growthlab.tracking.saved_views`."""
    return f"{store.address_of_ui}/{view_place(experiment_id, view)}"


def view_place(experiment_id: str, view: str) -> str:
    """The part of a view's address that is the same wherever MLflow's page is served."""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={view}&{MODEL_TRAINING}"


def look_lines(
    store: Store, experiment: str, run_id: str, view: str | None = None, page: str | None = None
) -> list[str]:
    """What a command prints of the run that it made: its link, the table of its kind, and the server.

    `experiment` is a name; `view` is a saved view of it, if it has any. The link leads to the `page`
    among the run's files, if it has one: it says more than the run's own.
    """
    experiment_id = store.experiment(experiment)
    lines = [f"look: {run_address(store, experiment_id, run_id, page)}"]
    if view is not None:
        lines.append(f"all runs: {view_address(store, experiment_id, view)}")
    if store.command_of_ui is not None:
        lines.append(f"once this runs: {store.command_of_ui}")
    return lines
