"""The command of growthlab that runs, one inside another where a command calls others."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_running: ContextVar[str] = ContextVar("running", default="")


@contextmanager
def running(words: Sequence[str]) -> Iterator[None]:
    """In the block, ``growthlab`` with these words runs."""
    token = _running.set(shlex.join(["growthlab", *words]))
    try:
        yield
    finally:
        _running.reset(token)


def running_command() -> str:
    """What was typed, passwords included; empty where growthlab is used from Python."""
    return _running.get()
