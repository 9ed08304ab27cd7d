"""A lock that works in every MLflow registry: on sqlite, on a database server, behind HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from growthlab.core.errors import ExportError
from growthlab.tracking.process_identity import has_ended, this_process

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK = ".lock"  # suffix of the registered model that is the lock
LEASE_SECONDS = 30.0
POLL_SECONDS = 0.1
ANSWER_SECONDS = 2.0  # within which a store that nobody has locked answers two short questions
TAKEN = ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST")  # the latter: released meanwhile


@contextmanager
def locked_registry(
    client: MlflowClient, name: str, by: str, *, lease: float = LEASE_SECONDS
) -> Iterator[None]:
    """Hold the lock of a registered model: no process on any machine enters the block meanwhile.

    MLflow has no compare-and-set, but the name of a registered model is unique in every store: the
    process that creates ``<name>.lock`` holds the lock until it deletes it. The block is a few short
    calls; a holder that has not changed for `lease` seconds, or whose process on this machine has
    ended, is taken for dead, and its lock is renamed after its token. Of several processes that try so
    one succeeds, since that name is unique as well. Time in which the store itself did not answer
    does not count, as the holder could not go on either.

    Raises
    ------
    ExportError
        Other processes held the lock for three leases.
    """
    token = uuid.uuid4().hex
    _take(client, f"{name}{LOCK}", token, by, lease)
    try:
        yield
    finally:
        for dead in _dead_locks(client, name):
            _delete(client, dead, "")
        _delete(client, f"{name}{LOCK}", token)


def was_left_locked(client: MlflowClient, name: str) -> bool:
    """Whether a process of this machine was killed while it held the lock, or while it took it over."""
    process = _tags(client, f"{name}{LOCK}").get("process", "")
    return bool(_dead_locks(client, name)) or (process != "" and has_ended(process))


def _dead_locks(client: MlflowClient, name: str) -> list[str]:
    """The locks of dead processes that were renamed."""
    prefix = f"{name}{LOCK}."
    models = client.search_registered_models(f"name LIKE '{prefix}%'")
    return [model.name for model in models if model.name.startswith(prefix)]


def _take(client: MlflowClient, lock: str, token: str, by: str, lease: float) -> None:
    """Wait until this process holds the lock; that of a dead process is renamed."""
    from mlflow.exceptions import MlflowException

    now = datetime.now(UTC).isoformat(timespec="seconds")
    tags = {"token": token, "by": by, "since": now, "process": this_process()}
    started = seen_since = time.monotonic()
    seen = ""
    while True:
        asked = time.monotonic()
        try:
            client.create_registered_model(lock, tags=tags)
            return
        except MlflowException as error:
            if error.error_code not in TAKEN:
                raise
        holder = _tags(client, lock)
        moment = time.monotonic()
        stalled = max(0.0, moment - asked - ANSWER_SECONDS)
        started, seen_since = started + stalled, seen_since + stalled
        if holder.get("token", "") != seen:
            seen, seen_since = holder.get("token", ""), moment
        if seen and (moment - seen_since > lease or has_ended(holder.get("process", ""))):
            with suppress(MlflowException):
                client.rename_registered_model(lock, f"{lock}.{seen}")
        if moment - started > 3 * lease:
            who = f"{holder.get('by', 'an unknown process')} since {holder.get('since', 'an unknown time')}"
            raise ExportError(f"{lock} is held by {who}: wait, and run the command again")
        time.sleep(POLL_SECONDS)


def _delete(client: MlflowClient, lock: str, token: str) -> None:
    """Delete the lock if its holder has `token`; any lock where the token is empty."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):  # another process took this one for dead
        if not token or _tags(client, lock).get("token") == token:
            client.delete_registered_model(lock)


def _tags(client: MlflowClient, lock: str) -> dict[str, str]:
    """The tags of the lock; empty where it was released meanwhile."""
    from mlflow.exceptions import MlflowException

    try:
        return dict(client.get_registered_model(lock).tags)
    except MlflowException:
        return {}
