"""A lock file that processes wait for: the system releases it with the process that holds it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from growthlab.core.errors import GrowthlabError

log = logging.getLogger(__name__)

ANNOUNCED_AFTER = 5.0  # seconds
PATIENCE = 600.0  # seconds: twice as long as the holder waits for a locked database


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock in the block; says in a line that it waits for another process.

    Raises
    ------
    GrowthlabError
        The other process did not release it within `PATIENCE`; it may have been stopped.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=ANNOUNCED_AFTER)
    except Timeout:
        minutes = PATIENCE / 60
        log.warning("%s is held by another process: waiting up to %.0f minutes", path, minutes)
        _acquire_at_last(lock, path)
    try:
        yield
    finally:
        lock.release()


def _acquire_at_last(lock: FileLock, path: Path) -> None:
    try:
        lock.acquire(timeout=PATIENCE - ANNOUNCED_AFTER)
    except Timeout:
        raise GrowthlabError(
            f"{path} has been held by another process for {PATIENCE / 60:.0f} minutes: end that "
            f"process (fuser {path} names it), and run the same command again"
        ) from None
