"""Ctrl-C and SIGTERM stop work in an orderly way, even where a library swallows them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_n_signals = 0


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM raise `KeyboardInterrupt`; on exit the old handlers are restored.

    The second signal is ignored, so that the clean-up after the first can finish; the third and
    later ones raise again. Outside the main thread nothing changes.
    """
    global _n_signals
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _n_signals = 0
    before = {s: signal.signal(s, _interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_if_interrupted() -> None:
    """Raise the `KeyboardInterrupt` that a library swallowed: DuckDB turns it into a RuntimeError."""
    if _n_signals:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _n_signals
    _n_signals += 1
    if _n_signals != 2:
        raise KeyboardInterrupt
