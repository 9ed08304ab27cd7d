"""Where interrupted fits find themselves again: a folder a question, used by one process at a time."""

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
    """The folders under `root`; one at a time is claimed."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._folder: Path | None = None
        self._lock: BaseFileLock | None = None

    def claim(self, question: str) -> Path | None:
        """The folder of what is asked, made by whoever writes; None where a process works in it."""
        from filelock import FileLock, Timeout

        self.release()
        folder = self.root / hashlib.sha256(question.encode()).hexdigest()[:24]
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("another process fits the same model: this fit cannot be resumed")
            return None
        self._folder, self._lock = folder, lock
        if folder.exists():
            log.info("an interrupted fit goes on")
        return folder

    def release(self) -> None:
        """Let others claim the folder, and keep what is in it."""
        if self._lock is not None:
            self._lock.release()
            Path(self._lock.lock_file).unlink(missing_ok=True)
        self._folder = self._lock = None

    def remove(self) -> None:
        """Take the claimed folder away: its fit is done."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self.release()
        if self.root.is_dir() and not any(self.root.iterdir()):
            self.root.rmdir()
