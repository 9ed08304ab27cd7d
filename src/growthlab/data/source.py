"""Source: a data set, how its events are read and used, and the cache of its prepared log."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from filelock import FileLock

from growthlab.core.errors import DataError
from growthlab.core.file_settings import INPUT_FILE
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.data.source_code import code_digest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """A data set: how it is read, and how it is used where task and split leave that open (null).

    Its use is `filter_seen` (none, purchased or interacted) and the reason for it; `horizon_days`,
    None for data without times; `activity_days`: a customer who has not bought within so many days
    before the cutoff gets no prediction; the event types of histories and those to predict.
    `cleaning` holds the rules for the raw events, None for none.

    A setting marked `INPUT_FILE` names a file among `files`: the cache depends on its content, not on
    its path.
    """

    name: ClassVar[str]
    filter_seen: str = "none"
    filter_seen_reason: str = ""
    horizon_days: float | None = 28.0
    activity_days: float | None = None
    history_events: tuple[str, ...] = ("purchase",)
    target_events: tuple[str, ...] = ("purchase",)
    cleaning: Cleaning | None = None

    @abstractmethod
    def read(self) -> EventLog:
        """The raw log, before cleaning."""

    def files(self) -> list[Path]:
        """The files that `read` reads; DataError where one is missing."""
        return []

    def key(self) -> str:
        """A hash of what the prepared log depends on: settings, rules, content of files, code."""
        use_settings = {f.name for f in fields(Source)} - {"cleaning"}
        file_settings = {f.name for f in fields(self) if f.metadata == INPUT_FILE}
        settings = {
            setting: value is not None if setting in file_settings else value
            for setting, value in asdict(self).items()
            if setting not in use_settings
        }
        content = [(path.name, _sha256(path)) for path in self.files()]
        text = json.dumps(
            [type(self).__name__, settings, content, code_digest(type(self))],
            default=str,
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def prepare(self, cache: Path) -> EventLog:
        """The cleaned log: opened from a folder of `cache`, or read, cleaned and written there.

        Of two processes that prepare the same log at the same time only one reads the files.
        """
        cache = Path(cache)
        folder = cache / f"{self.name}-{self.key()}"
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{folder.name}.lock"):
            return self._open_cached(folder) or self._read_and_save(folder)

    def without_bots(self, log: EventLog, as_of: datetime | None) -> EventLog:
        """The prepared log without the bots of its cleaning, by what was known at a date."""
        return log if self.cleaning is None else self.cleaning.without_bots(log, as_of)

    def _open_cached(self, folder: Path) -> EventLog | None:
        if not (folder / "log.json").exists():
            return None
        try:
            log = EventLog.open(folder)
        except DataError as error:  # the raw files are still there
            logger.warning("%s: prepared again because %s", self.name, error)
            return None
        logger.info("%s: %s events from the cache %s", self.name, f"{log.n_events:,}", folder)
        return log

    def _read_and_save(self, folder: Path) -> EventLog:
        started = time.perf_counter()
        log = self.read()
        if not log.n_events:
            raise DataError(f"{self.name} has no events: the file is empty or holds only a header")
        _log_stage("read", log, started)
        if self.cleaning is not None:
            started = time.perf_counter()
            log = self.cleaning.apply(log)
            _log_stage("cleaned", log, started)
        started = time.perf_counter()
        log = log.save(folder)
        _log_stage("saved", log, started)
        return log


def _log_stage(stage: str, log: EventLog, started: float) -> None:
    logger.info(
        "%s: %s %s events, %s users, %s items in %.1f s",
        log.name,
        stage,
        f"{log.n_events:,}",
        f"{log.n_users:,}",
        f"{log.n_items:,}",
        time.perf_counter() - started,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
