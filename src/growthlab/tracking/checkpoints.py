"""Checkpoint folders of interrupted fits: one for each fit, used by one process at a time."""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoint folders under `root`; each instance claims one at a time."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._folder: Path | None = None
        self._lock: BaseFileLock | None = None

    def claim(self, fit: str) -> Path | None:
        """The folder of a fit, which may not exist yet; None if another process uses it."""
        from filelock import FileLock, Timeout

        self.release()
        folder = self.root / hashlib.sha256(fit.encode()).hexdigest()[:24]
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("another process fits the same model: this fit writes no checkpoint")
            return None
        self._folder, self._lock = folder, lock
        if folder.exists():
            log.info("resuming an interrupted fit")
        return folder

    def release(self) -> None:
        """Give the folder up and keep its content."""
        if self._lock is not None:
            self._lock.release()
            Path(self._lock.lock_file).unlink(missing_ok=True)
        self._folder = self._lock = None

    def remove(self) -> None:
        """Remove the claimed folder, whose fit has finished."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self.release()
        if self.root.is_dir() and not any(self.root.iterdir()):
            self.root.rmdir()
