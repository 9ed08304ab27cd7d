"""What runs in a worker process of Ray: one fit, or trials of one study."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from growthlab.cluster.code_versions import code_versions, difference
from growthlab.core.errors import GrowthlabError, one_line
from growthlab.core.owned_folder import scratch_folder
from growthlab.core.process import prepare_process
from growthlab.core.processors import limited_threads
from growthlab.evaluation.outcome import Outcome
from growthlab.models.base import TrainsNetwork
from growthlab.tracking.process_identity import this_process

Line = tuple[str, int, str]  # logger, level, text
MOST_LINES = 1000

KEPT = 4  # shared data of so many origins, with what models derive from them

_shared: dict[str, Any] = {}  # the newest shared data of this process, by its number in Ray


@dataclass(frozen=True)
class Begun:
    """The task runs in this process, ``host:number:start``."""

    process: str


@dataclass(frozen=True)
class OtherCode:
    """The process has other code or packages."""

    difference: str


@dataclass(frozen=True)
class Failed:
    """The error of the work, and where it was raised."""

    error: Exception
    trace: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Finished:
    """What the work gave, and its lines of the log."""

    result: Any
    lines: tuple[Line, ...] = ()


Said = Begun | OtherCode | Failed | Finished


@dataclass(frozen=True)
class TaskPlace:
    """Where the command works, which another machine may not have, and how many threads a task has."""

    folder: str
    threads: int


def run_work(
    work: Callable[..., Any], shared: Sequence[Any], versions: Mapping[str, str], place: TaskPlace
) -> Iterator[Said]:
    """Say where the work runs, then what became of it.

    `shared` holds references to what `work` is called with: fetched from the memory that all processes
    of a machine share, and kept for the next task.
    """
    differs = difference(versions, code_versions())
    if differs:
        yield OtherCode(differs)
        return
    yield Begun(this_process())
    lines: list[Line] = []
    try:
        prepare_process()
        with contextlib.suppress(OSError):
            os.chdir(place.folder)
        with scratch_folder(), _kept_lines(lines), limited_threads(place.threads):
            result = _on_cpu(work(*[_fetched(reference) for reference in shared]))
    except Exception as error:
        yield Failed(*_sendable(error), tuple(lines))
    else:
        yield Finished(result, tuple(lines))


@contextlib.contextmanager
def _kept_lines(lines: list[Line]) -> Iterator[None]:
    """Add what our loggers say in the block, for the log of the command."""
    logger, keeper = logging.getLogger("growthlab"), _Keeper(lines)
    before = logger.propagate
    logger.addHandler(keeper)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(keeper)
        logger.propagate = before


class _Keeper(logging.Handler):
    """Keeps the first lines."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        if len(self.lines) < MOST_LINES:
            self.lines.append((record.name, record.levelno, record.getMessage()))


def _fetched(reference: Any) -> Any:
    """The shared data: arrays stay in shared memory, and what a model derives from them is kept."""
    import ray

    number = reference.hex()
    if number not in _shared:
        while len(_shared) >= KEPT:
            _shared.pop(next(iter(_shared)))
        _shared[number] = ray.get(reference)
    return _shared[number]


def _on_cpu(result: Any) -> Any:
    """The result with its network in main memory: the machine that gets it may have no GPU."""
    if isinstance(result, Outcome) and isinstance(result.model, TrainsNetwork):
        result.model.network_.to("cpu")
    return result


def _sendable(error: Exception) -> tuple[Exception, str]:
    """The error, or its words where it cannot be pickled, and its trace."""
    import ray.cloudpickle as pickle

    trace = "".join(traceback.format_exception(error))
    plain: Exception = error.with_traceback(None)
    plain.__context__ = plain.__cause__ = None
    try:
        pickle.loads(pickle.dumps(plain))
    except Exception:
        kind = GrowthlabError if isinstance(error, GrowthlabError) else RuntimeError
        plain = kind(f"{type(error).__name__}: {one_line(error)}")
    return plain, trace
