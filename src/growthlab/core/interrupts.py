"""Ctrl-C and SIGTERM stop work in an orderly way, even where a library swallows them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_n_signals = 0
_n_blocks = 0  # of `uninterrupted`, one within the other
_kept = False  # whether the first signal waits for the end of such a block


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM raise `KeyboardInterrupt`; on exit the old handlers are restored.

    The second signal is ignored, so that the clean-up after the first can finish; the third and
    later ones raise again. On exit the signals are forgotten: what the same process does next was
    not interrupted. Outside the main thread nothing changes.
    """
    global _n_signals, _kept
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, _interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _n_signals, _kept = 0, False


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Inside, the first signal is kept, and raised at the end of the block.

    For writes to a store: one that is broken off in a library keeps its lock, and what would have
    been written next, such as a run's end, is missing. The third signal raises at once here too.
    """
    global _n_blocks
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _n_blocks += 1
    try:
        yield
    finally:
        _n_blocks -= 1
    if not _n_blocks:
        raise_if_kept()


def raise_if_kept() -> None:
    """Raise the signal that a block of `uninterrupted` keeps: called where the block has to wait."""
    global _kept
    if _kept:
        _kept = False
        raise KeyboardInterrupt


def raise_if_interrupted() -> None:
    """Raise the `KeyboardInterrupt` that a library swallowed: DuckDB turns it into a RuntimeError."""
    if _n_signals:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _n_signals, _kept
    _n_signals += 1
    if _n_signals == 1 and _n_blocks:
        _kept = True
    elif _n_signals != 2:
        raise KeyboardInterrupt
