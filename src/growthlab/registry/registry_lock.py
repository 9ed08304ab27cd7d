"""A lock that every MLflow registry can hold: on sqlite, on a database server, behind HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from growthlab.core.errors import ExportError

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK = ".lock"  # what the name of the registered model ends in that is the lock
LEASE_SECONDS = 30.0
POLL_SECONDS = 0.1
TAKEN = ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST")  # the latter: given back meanwhile


@contextmanager
def alone_with(
    client: MlflowClient, name: str, by: str, *, lease: float = LEASE_SECONDS
) -> Iterator[None]:
    """Inside, no other process of whatever machine is here for the same registered model.

    MLflow has no compare-and-set, but the name of a registered model is unique in every store: who
    can make ``<name>.lock`` has the lock, until it is deleted. Inside lie a few small calls; a
    holder that was seen unchanged for `lease` seconds has died, and its lock is renamed after its
    token. Of several that find it so one succeeds, for that name is unique as well.

    Raises
    ------
    ExportError
        The lock went from hand to hand for three leases without coming here.
    """
    token = uuid.uuid4().hex
    buried = _take(client, f"{name}{LOCK}", token, by, lease)
    try:
        yield
    finally:
        for lock, holder in ((f"{name}{LOCK}", token), *((b, "") for b in buried)):
            _delete(client, lock, holder)


def _take(client: MlflowClient, lock: str, token: str, by: str, lease: float) -> list[str]:
    """Wait until the lock is ours; the names of dead locks that were put aside for it."""
    from mlflow.exceptions import MlflowException

    now = datetime.now(UTC).isoformat(timespec="seconds")
    tags = {"token": token, "by": by, "since": now}
    started = seen_since = time.monotonic()
    seen = ""
    buried: list[str] = []
    while True:
        try:
            client.create_registered_model(lock, tags=tags)
            return buried
        except MlflowException as error:
            if error.error_code not in TAKEN:
                raise
        holder = _tags(client, lock)
        moment = time.monotonic()
        if holder.get("token", "") != seen:
            seen, seen_since = holder.get("token", ""), moment
        elif seen and moment - seen_since > lease:
            with suppress(MlflowException):
                client.rename_registered_model(lock, f"{lock}.{seen}")
                buried.append(f"{lock}.{seen}")
        if moment - started > 3 * lease:
            who = f"{holder.get('by', 'somebody')} since {holder.get('since', 'a while')}"
            raise ExportError(f"{lock} is held by {who}: wait, and run the command again")
        time.sleep(POLL_SECONDS)


def _delete(client: MlflowClient, lock: str, token: str) -> None:
    """Delete the lock if it is the holder's of `token`, or whoever's where that is empty."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):  # somebody held us for dead
        if not token or _tags(client, lock).get("token") == token:
            client.delete_registered_model(lock)


def _tags(client: MlflowClient, lock: str) -> dict[str, str]:
    """The tags of the lock; none where it was given back meanwhile."""
    from mlflow.exceptions import MlflowException

    try:
        return dict(client.get_registered_model(lock).tags)
    except MlflowException:
        return {}
