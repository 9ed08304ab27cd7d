"""A signal in the middle of a command's work on its stores, at a statement that a test chooses."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import event
from sqlalchemy.engine import Engine

MOMENTS = ("before_cursor_execute", "commit")


@dataclass
class StatementCount:
    """The number of statements, or commits, of the main thread so far."""

    n: int = 0


@contextmanager
def signalled(moment: str, at: int | None = None, beginning: str = "") -> Iterator[StatementCount]:
    """Inside, SIGTERM arrives once, at the `at`-th `moment` (from 1); never where that is None.

    With a `beginning`, only statements that begin so count.
    """
    count = StatementCount()

    def on_statement(*given: object) -> None:
        counts = not beginning or str(given[2]).startswith(beginning)
        if counts and threading.current_thread() is threading.main_thread():
            count.n += 1
            if count.n == at:
                signal.raise_signal(signal.SIGTERM)

    event.listen(Engine, moment, on_statement)
    try:
        yield count
    finally:
        event.remove(Engine, moment, on_statement)
