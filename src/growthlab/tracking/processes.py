"""Who is at work on a run: a process by its host, number and start, so that numbers used again differ."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PROCESS = "growthlab.process"  # the tag of a run


def this_process() -> str:
    """``host:number:start`` of this process."""
    return process_of(os.getpid())


def process_of(number: int) -> str:
    """``host:number:start`` of a process of this machine."""
    return f"{socket.gethostname()}:{number}:{_started(number)}"


def same_host(process: str) -> bool:
    """Whether the process that `this_process` named runs on this machine."""
    return process.rsplit(":", 2)[0] == socket.gethostname()


def is_alive(process: str) -> bool:
    """Whether the process that `this_process` named still runs; False for one of another host."""
    host, *rest = process.rsplit(":", 2)
    if host != socket.gethostname() or len(rest) != 2 or not rest[0].isdigit():
        return False
    return bool(rest[1]) and _started(int(rest[0])) == rest[1]


def end_orphans(
    client: MlflowClient,
    experiment: str,
    condition: str,
    lives: Callable[[Run], bool] = lambda run: False,
) -> list[Run]:
    """The runs for which the condition holds and whose process was killed become KILLED.

    `lives` says of a run that its process is known to work, though it cannot be seen from here.
    """
    found = client.search_runs([experiment], f"{condition} AND status = 'RUNNING'")
    unseen = [run for run in found if not is_alive(run.data.tags.get(PROCESS, ""))]
    orphans = [run for run in unseen if not lives(run)]
    for run in orphans:
        client.set_terminated(run.info.run_id, "KILLED")
    return orphans


def _started(number: int) -> str:
    try:
        return str(int(psutil.Process(number).create_time()))
    except psutil.Error:
        return ""
