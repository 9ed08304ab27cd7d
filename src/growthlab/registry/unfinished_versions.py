"""Versions and logged models of an export or a promotion that was killed: continued, or removed.

Until it is decided what becomes of a version, it has a tag that names the process at work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from growthlab.tracking.process_identity import PROCESS, has_ended, is_alive, this_process

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

SOURCE = "models:/"  # followed by the id of a logged model
ABANDONED_AFTER = 3600.0  # seconds, for processes of other machines, of which nobody here can know


def mark() -> dict[str, str]:
    """The tag of a version or a logged model that this process works on."""
    return {PROCESS: this_process()}


def finish_version(client: MlflowClient, name: str, version: str) -> None:
    """Remove the mark of a version: what becomes of it is decided."""
    if PROCESS in client.get_model_version(name, version).tags:
        client.delete_model_version_tag(name, version, PROCESS)


def continue_version(
    client: MlflowClient,
    name: str,
    run_id: str,
    bundle_version: str,
    was_champion: Callable[[str], bool],
) -> ModelVersion | None:
    """The version of this run and bundle that a killed process left undecided, now this process's.

    Other such versions are withdrawn, unless they have an alias or were champion.
    """
    same = None
    for version in client.search_model_versions(f"name = '{name}'"):
        if not _is_abandoned(version.tags, version.creation_timestamp):
            continue
        number = str(version.version)
        promised = version.tags.get("bundle_version")
        if same is None and (version.run_id, promised) == (run_id, bundle_version):
            for key, value in mark().items():
                client.set_model_version_tag(name, number, key, value)
            log.info(
                "%s version %s, left undecided by a killed process, is continued", name, number
            )
            same = version
        elif was_champion(number):
            finish_version(client, name, number)
        elif not client.get_model_version(name, number).aliases:
            remove_version(client, name, number, logged_model_of(version))
    return same


def decided_version(
    client: MlflowClient, name: str, run_id: str, bundle_version: str
) -> ModelVersion | None:
    """The newest version of this run and bundle of which it is decided what becomes of it."""
    versions = client.search_model_versions(f"name = '{name}' AND run_id = '{run_id}'")
    decided = [
        v
        for v in versions
        if v.tags.get("bundle_version") == bundle_version and PROCESS not in v.tags
    ]
    return max(decided, key=lambda v: int(v.version), default=None)


def logged_model_of(version: ModelVersion) -> str:
    """The id of the version's logged model, which stands in its source; empty where that is another."""
    source = str(version.source or "")
    return source.removeprefix(SOURCE) if source.startswith(SOURCE) else ""


def remove_version(client: MlflowClient, name: str, version: str, model_id: str) -> None:
    """Delete a version and its logged model, if it has one, with the files."""
    client.delete_model_version(name, version)
    if model_id:
        _remove_model(client, client.get_logged_model(model_id))
    log.info("%s version %s is withdrawn", name, version)


def remove_abandoned_models(client: MlflowClient, name: str, run_id: str) -> None:
    """Delete the run's logged models that were never registered and that no process works on."""
    experiment = client.get_run(run_id).info.experiment_id
    models = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    registered = {logged_model_of(v) for v in client.search_model_versions(f"name = '{name}'")}
    for model in models:
        abandoned = _is_abandoned(model.tags or {}, model.creation_timestamp)
        if abandoned and model.model_id not in registered:
            _remove_model(client, model)


def _is_abandoned(tags: dict[str, str], created: int) -> bool:
    """Whether the process that the tags name has ended; `created` is in milliseconds."""
    process = tags.get(PROCESS)
    if process is None or is_alive(process):
        return False
    return has_ended(process) or time.time() - created / 1000 > ABANDONED_AFTER


def _remove_model(client: MlflowClient, model: LoggedModel) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with suppress(MlflowException, NotImplementedError, OSError):  # some stores cannot delete files
        get_artifact_repository(
            model.artifact_location, tracking_uri=client.tracking_uri
        ).delete_artifacts()
    client.delete_logged_model(model.model_id)
