"""MLflow without its own log lines, progress bars and warnings, which would stand among our output."""

from __future__ import annotations

import logging
import os
import warnings
from types import ModuleType

# its errors reach us as exceptions, which are reported in one line; it logs them with their traceback
LEVEL = "CRITICAL"
LOGGERS = ("mlflow", "alembic")
SETTINGS = {
    "MLFLOW_LOGGING_LEVEL": LEVEL,
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # our own lines name the run
    # `ServerClient` tries again itself: MLflow, which waits for minutes, would create a run twice
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}


def quiet_mlflow() -> ModuleType:
    """The module ``mlflow``; its environment variables, where they are set, are respected."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", module=r"(mlflow|alembic)[.]")
    import mlflow

    for name in LOGGERS:  # it may have been imported before
        logging.getLogger(name).setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())
    return mlflow
