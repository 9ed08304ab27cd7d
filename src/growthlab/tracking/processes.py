"""Who is at work on a run: a process by its host, number and start, so that numbers used again differ."""

from __future__ import annotations

import os
import socket

import psutil


def this_process() -> str:
    """``host:number:start`` of this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_alive(process: str) -> bool:
    """Whether another process that `this_process` named still runs; False for one of another host."""
    host, *rest = process.rsplit(":", 2)
    if host != socket.gethostname() or len(rest) != 2 or not rest[0].isdigit():
        return False
    number, start = int(rest[0]), rest[1]
    return number != os.getpid() and bool(start) and _started(number) == start


def _started(number: int) -> str:
    try:
        return str(int(psutil.Process(number).create_time()))
    except psutil.Error:
        return ""
