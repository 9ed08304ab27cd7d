"""A fresh sqlite store: the whole schema or nothing, whenever the process is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def make_sqlite(path: Path, artifacts: str) -> None:
    """MLflow's schema in a file that is not there yet, written beside it and renamed.

    The caller sees to it that no other process does the same.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left in path.parent.glob(f"{path.name}.*.partial*"):
        left.unlink()
    beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with _without_waiting_for_the_disk():
        store = SqlAlchemyStore(f"sqlite:///{beside}", artifacts)
        store.engine.dispose()
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    beside.replace(path)


@contextmanager
def _without_waiting_for_the_disk() -> Iterator[None]:
    """Connections opened inside do not wait: hundreds of small steps take a third of the time."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def hurry(connection: Any, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)
