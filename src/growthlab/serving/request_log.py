"""The request log: a JSON line for each answer, written by a thread so that answers never wait for it."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout

from growthlab.bundle.answers import Features
from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import ConfigError, one_line
from growthlab.core.histories import UNKNOWN

log = logging.getLogger(__name__)

LONGEST_QUEUE = 10_000
LINES_AT_ONCE = 64
PAUSE = 0.05  # seconds between two checks of the queue


@dataclass(frozen=True)
class LogRecord:
    """An answer to be logged: its `fields`, and a raw user id that is still to be replaced.

    The file gets a pseudonym instead of the raw id, or null where the key is not known.
    """

    time: float  # seconds since 1970
    fields: Mapping[str, Any]
    bundle: Bundle | None = None
    user_id: str | None = None
    features: Features | None = None  # of the request

    def line(self) -> str:
        """The JSON line."""
        when = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds")
        fields = {"time": when, **self.fields}
        if self.bundle is not None:
            fields["user"] = self._pseudonym(self.bundle)
            fields["features"] = self._features(self.bundle)
        return json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n"

    def _pseudonym(self, bundle: Bundle) -> str | None:
        names = bundle.stored_names([self.user_id])
        return None if names is None else names[0]

    def _features(self, bundle: Bundle) -> dict[str, Any] | None:
        """The features that the model read: the request's, else the stored ones; None without any."""
        predictor = bundle.predictor
        if predictor is None or (not self.features and self.user_id is None):
            return None
        if self.features:
            return dict(self.features)
        place = int(bundle.places([self.user_id])[0])
        if place == UNKNOWN or predictor.table is None:
            return None
        return {name: _plain(column[place]) for name, column in predictor.table.items()}


class RequestLog:
    """A queue of lines and a thread that appends them to `path`; full files are renamed.

    The current file is `path`; older ones are ``path.1``, ``path.2``, ... up to `n_files` in all.
    Where more than `LONGEST_QUEUE` lines wait, or the disk is full, lines are dropped and counted:
    an answer never waits for its line.

    Raises
    ------
    ConfigError
        The file cannot be written, or another service writes it.
    """

    def __init__(self, path: Path, most_bytes: int, n_files: int) -> None:
        self.path = path
        self.dropped = 0
        self.written = 0
        self._most = most_bytes
        self._n_files = n_files
        self._queue: deque[LogRecord] = deque()
        self._stopping = threading.Event()
        self._has_warned = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(f"{path}.lock", timeout=0, thread_local=False)
            self._lock.acquire()
            self._file = self._opened()
        except Timeout as error:
            why = f"the request log {path} is written by another service that runs"
            raise ConfigError(
                f"{why}: each needs its own, choose another file with log=..."
            ) from error
        except OSError as error:
            why = f"the request log {path} cannot be written ({error.strerror})"
            raise ConfigError(f"{why}: choose another file with log=...") from error
        self._thread = threading.Thread(target=self._write, name="request log", daemon=True)
        self._thread.start()

    def put(self, entry: LogRecord) -> bool:
        """Queue a line; False where the queue is full and the line is dropped."""
        if len(self._queue) >= LONGEST_QUEUE:
            self.dropped += 1
            return False
        self._queue.append(entry)
        return True

    def close(self) -> None:
        """Write the waiting lines and end the thread."""
        self._stopping.set()
        self._thread.join(10)

    def _write(self) -> None:
        while True:
            stopping = self._stopping.is_set()
            while self._queue:
                self._write_some()
            if stopping:
                self._file.close()
                self._lock.release()
                return
            self._stopping.wait(PAUSE)

    def _write_some(self) -> None:
        entries = [self._queue.popleft() for _ in range(min(LINES_AT_ONCE, len(self._queue)))]
        lines = [line for entry in entries if (line := self._line(entry))]
        try:
            if self._file.closed:  # renaming it failed
                self._file = self._opened()
            self._file.write("".join(lines))
            self._file.flush()
            self.written += len(lines)
            if self._file.tell() >= self._most:
                self._rotate()
        except (OSError, ValueError) as error:
            self._drop(len(lines), error)
            time.sleep(PAUSE)

    def _line(self, entry: LogRecord) -> str:
        """The line; empty, and counted as dropped, where it cannot be built."""
        try:
            return entry.line()
        except Exception as error:
            self._drop(1, error)
            return ""

    def _drop(self, n: int, error: Exception) -> None:
        self.dropped += n
        if not self._has_warned:
            log.error("the request log %s cannot be written: %s", self.path, one_line(error))
        self._has_warned = True

    def _rotate(self) -> None:
        """Rename the full file and begin another; the oldest file is deleted."""
        self._file.close()
        for number in range(self._n_files - 1, 0, -1):
            older = self._named(number)
            newer = self._named(number - 1)
            if newer.exists():
                newer.replace(older)
        if self._n_files == 1:
            self.path.unlink()
        self._file = self._opened()

    def _named(self, number: int) -> Path:
        return self.path if not number else self.path.with_name(f"{self.path.name}.{number}")

    def _opened(self) -> IO[str]:
        """The file to append to; only its owner can read it."""
        self.path.touch(mode=0o600)
        return self.path.open("a", encoding="utf-8", errors="backslashreplace")


def _plain(value: Any) -> float | str | None:
    """A stored feature as JSON can hold it; None for a number that is not known."""
    if isinstance(value, (str, np.str_)):
        return str(value)
    return float(value) if np.isfinite(value) else None
