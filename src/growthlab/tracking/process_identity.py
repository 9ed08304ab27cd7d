"""Which process works on a run; a process has host, number and start, as numbers recur."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

from growthlab.tracking.run_clock import end_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PROCESS = "growthlab.process"  # tag of a run


def this_process() -> str:
    """``host:number:start`` of this process."""
    return process_of(os.getpid())


def process_of(number: int) -> str:
    """``host:number:start`` of a process of this machine."""
    return f"{socket.gethostname()}:{number}:{_started(number)}"


def runs_on_this_host(process: str) -> bool:
    """Whether the process that `this_process` named runs on this machine."""
    return process.rsplit(":", 2)[0] == socket.gethostname()


def is_alive(process: str) -> bool:
    """Whether the process that `this_process` named still runs; False for one of another host."""
    host, *rest = process.rsplit(":", 2)
    if host != socket.gethostname() or len(rest) != 2 or not rest[0].isdigit():
        return False
    return bool(rest[1]) and _started(int(rest[0])) == rest[1]


def has_ended(process: str) -> bool:
    """Whether the process that `this_process` named ran on this machine and no longer does."""
    return runs_on_this_host(process) and not is_alive(process)


def end_orphans(
    client: MlflowClient,
    experiment: str,
    condition: str,
    is_known_alive: Callable[[Run], bool] = lambda run: False,
) -> list[Run]:
    """Set running runs that fulfil the condition and whose process was killed to KILLED.

    `is_known_alive` says whether a run's process works although this machine cannot see it.
    """
    running = client.search_runs([experiment], f"{condition} AND status = 'RUNNING'")
    unseen = [run for run in running if not is_alive(run.data.tags.get(PROCESS, ""))]
    orphans = [run for run in unseen if not is_known_alive(run)]
    for run in orphans:
        end_run(client, run, "KILLED")
    return orphans


def _started(number: int) -> str:
    try:
        return str(int(psutil.Process(number).create_time()))
    except psutil.Error:
        return ""
