"""Ctrl-C and SIGTERM end work in order, also where a library turns them into an error of its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = 0


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM raise `KeyboardInterrupt`; afterwards all is as it was before.

    The second signal is ignored, as the end that the first began is still being written down; from
    the third on they raise again. Outside the main thread nothing changes.
    """
    global _asked
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked = 0
    before = {s: signal.signal(s, _interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_if_interrupted() -> None:
    """Raise the `KeyboardInterrupt` that a library swallowed: DuckDB makes a RuntimeError of it."""
    if _asked:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked += 1
    if _asked != 2:
        raise KeyboardInterrupt
