"""MLflow's process-wide store, set for the length of a block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def global_store(uri: str, run_id: str | None = None) -> Iterator[None]:
    """Set MLflow's process-wide store inside the block: its logging functions take none as an argument.

    With `run_id` that run's experiment is the current one, so that a model logged for the run goes to
    its artifacts and not to the default experiment.
    """
    import mlflow

    before, variable = mlflow.get_tracking_uri(), "MLFLOW_EXPERIMENT_ID"
    experiment = os.environ.get(variable)
    mlflow.set_tracking_uri(uri)
    try:
        if run_id is not None:
            os.environ[variable] = mlflow.MlflowClient().get_run(run_id).info.experiment_id
        yield
    finally:
        mlflow.set_tracking_uri(before)
        os.environ.pop(variable, None)
        if experiment is not None:
            os.environ[variable] = experiment
