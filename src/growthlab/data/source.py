"""Data sources: a data set, how it is read and used, and the cache of what was prepared."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, runtime_checkable

from filelock import FileLock

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.file_settings import INPUT_FILE
from growthlab.core.private_files import private_files
from growthlab.core.pseudonyms import PLAIN, find_or_create_key
from growthlab.data.cleaning import Cleaning
from growthlab.data.database import DUCKDB
from growthlab.data.event_log import EventLog
from growthlab.data.file_digests import CONTENT, FileDigests
from growthlab.data.kept_parts import KeptParts
from growthlab.data.labelled_table import LabelledTable
from growthlab.data.privacy import Nameable, Privacy
from growthlab.data.readers.folder_values import folder_values
from growthlab.data.sample import sample_of_users
from growthlab.data.source_code import code_digest
from growthlab.data.sql_engine import SqlEngine

logger = logging.getLogger(__name__)

NOT_SAID = Privacy()


class Prepared(Nameable, Protocol):
    """A data set as it is kept in the cache."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """How much there is of what, the rows first."""
        ...

    def save(self, folder: Path) -> Self:
        """Write it to the folder in one step; what is opened there."""
        ...


@runtime_checkable
class ReadsCustomers(Protocol):
    """A source that can read customers without labels, to be known to a bundle."""

    def customers(self, columns: Sequence[str], texts: Collection[str]) -> LabelledTable:
        """The newest row of each customer, with these columns, of which `texts` are texts.

        Raises
        ------
        DataError
            A column is missing, or holds a word where the model reads numbers.
        """
        ...


Data = TypeVar("Data", bound=Prepared)


@dataclass(frozen=True, kw_only=True)
class DataSource(ABC, Generic[Data]):
    """A data set: how it is read, and the cache of what was read.

    `horizon_days` is the time that a prediction is about; None where the data does not say. `user_ids`
    says what stands for the ids of customers where a command leaves it open: ``pseudonym`` or ``plain``.

    A setting marked `INPUT_FILE` names a file among `input_files`: the cache depends on its content, not on
    its path. With ``stat`` as `cache_key` a file is taken to be the same while its path, size and time are.
    """

    name: ClassVar[str]
    default_split: ClassVar[str | None] = None  # what it takes where a command names no split
    prepared: ClassVar[str]  # the file by which a folder of the cache is known to be complete
    horizon_days: float | None = None
    cache_key: str = CONTENT
    user_ids: str = PLAIN

    @abstractmethod
    def read(self) -> Data:
        """The raw data, before cleaning."""

    @abstractmethod
    def open(self, folder: Path) -> Data:
        """What was saved in a folder; DataError where it is damaged."""

    @classmethod
    def use_settings(cls) -> set[str]:
        """The settings that say how the data is used: what is read does not depend on them."""
        return {"horizon_days", "cache_key", "user_ids"}

    @property
    def hashes(self) -> bool:
        """Whether `read` makes keyed pseudonyms of the texts in some columns."""
        return False

    def input_files(self) -> list[Path]:
        """The files that `read` reads; DataError where one is missing."""
        return []

    def grouped_files(self) -> Mapping[str, Sequence[Path]]:
        """The files of `input_files` by what they are read as."""
        return {"": self.input_files()}

    def key_settings(self) -> dict[str, Any]:
        """The settings that the prepared data depends on, without paths."""
        use_settings = self.use_settings()
        file_settings = {f.name for f in fields(self) if f.metadata == INPUT_FILE}
        return {
            setting: _without_paths(value) if setting in file_settings else value
            for setting, value in asdict(self).items()
            if setting not in use_settings
        }

    def key(self, digests: FileDigests | None = None) -> str:
        """A hash of what the prepared data depends on: settings, rules, content of files, code."""
        digests = digests or FileDigests()
        content = [
            (use, path.name, folder_values(path), digests.of(path))
            for use, paths in self.grouped_files().items()
            for path in paths
        ]
        text = json.dumps(
            [type(self).__name__, self.key_settings(), content, code_digest(type(self))],
            default=str,
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def prepare(self, cache: Path, privacy: Privacy = NOT_SAID) -> Data:
        """The cleaned data: opened from a folder of `cache`, or read, cleaned and written there.

        Of two processes that prepare the same data at the same time only one reads the files.
        """
        with self.local() as source:
            return source._prepare(cache, privacy)

    def local(self) -> AbstractContextManager[Self]:
        """The same source with files in place of addresses, as long as the block lasts."""
        return nullcontext(self)

    def _prepare(self, cache: Path, privacy: Privacy) -> Data:
        cache = Path(cache)
        key = privacy.key_for(self.user_ids)
        if key is None and self.hashes:
            key = find_or_create_key()
        ending = "" if key is None else f"-{key.fingerprint}"
        digests = FileDigests.of_cache(cache, self.cache_key)
        folder = cache / f"{self.name}-{self.key(digests)}{ending}"
        with private_files():
            cache.mkdir(parents=True, exist_ok=True)
            digests.remember()
            with FileLock(cache / f"{folder.name}.lock"):
                found = self._open_cached(folder)
                return found or self._read_and_save(
                    folder, KeptParts(cache, digests, ending), privacy
                )

    def finished(self, data: Data) -> Data:
        """What was read, after what is done with the rows of each customer on their own."""
        return data

    def why_empty(self) -> str:
        """Why nothing may have been read."""
        return "the file is empty or holds only a header"

    def read_new(self, parts: KeptParts, finish: Callable[[Data], Data]) -> Data:
        """The finished data before cleaning; a source of many files reads those that are not kept yet."""
        return finish(self.read())

    def cleaned(self, data: Data) -> Data:
        """The data after the rules that need no cutoff; as it is where there are none."""
        return data

    def _open_cached(self, folder: Path) -> Data | None:
        if not (folder / self.prepared).exists():
            return None
        try:
            data = self.open(folder)
        except DataError as error:  # the raw files are still there
            logger.warning("%s: prepared again because %s", self.name, error)
            return None
        n_rows, rows = next((n, what) for what, n in data.counts.items())
        logger.info("%s: %s %s from the cache %s", self.name, f"{n_rows:,}", rows, folder)
        return data

    def _read_and_save(self, folder: Path, parts: KeptParts, privacy: Privacy) -> Data:
        started = time.perf_counter()
        data = self.read_new(parts, lambda read: privacy.named(self.finished(read), self.user_ids))
        if not next(iter(data.counts.values())):
            what = next(iter(data.counts))
            raise DataError(f"{self.name} has no {what}: {self.why_empty()}")
        _log_stage("read", data, started)
        started = time.perf_counter()
        cleaned = self.cleaned(data)
        if cleaned is not data:
            _log_stage("cleaned", cleaned, started)
        started = time.perf_counter()
        saved = cleaned.save(folder)
        _log_stage("saved", saved, started)
        return saved


@dataclass(frozen=True, kw_only=True)
class Source(DataSource[EventLog]):
    """A data set of events: how it is read, and how it is used where task and split leave that open (null).

    Its use is `filter_seen` (none, purchased or interacted) and the reason for it; `horizon_days`,
    None for data without times; `activity_days`: a customer who has not bought within so many days
    before the cutoff gets no prediction; the event types of histories and those to predict.
    `cleaning` holds the rules for the raw events, None for none. Of the customers a share `sample_users` is
    taken with all their events, the same ones whatever the order of rows; another `sample_seed` takes others.
    `engine` runs the rules and all that is asked of the prepared log; what is prepared is the same.
    """

    prepared: ClassVar[str] = "log.json"
    filter_seen: str = "none"
    filter_seen_reason: str = ""
    horizon_days: float | None = 28.0
    activity_days: float | None = None
    history_events: tuple[str, ...] = ("purchase",)
    target_events: tuple[str, ...] = ("purchase",)
    sample_users: float = 1.0
    sample_seed: int = 0
    cleaning: Cleaning | None = None
    engine: SqlEngine = DUCKDB

    def __post_init__(self) -> None:
        if not 0 < self.sample_users <= 1:
            raise ConfigError(
                f"data.sample_users={self.sample_users:g} must be a share of the customers, such as 0.01"
            )

    @classmethod
    def use_settings(cls) -> set[str]:
        """See `DataSource.use_settings`."""
        return {f.name for f in fields(Source)} - {"cleaning", "sample_users", "sample_seed"}

    def open(self, folder: Path) -> EventLog:
        """See `DataSource.open`."""
        return EventLog.open(folder, self.engine)

    def finished(self, data: EventLog) -> EventLog:
        """See `DataSource.finished`: the sample of customers."""
        if self.sample_users == 1:
            return data
        return sample_of_users(data, self.sample_users, self.sample_seed)

    @property
    def zone(self) -> str:
        """The zone of the shop's clocks, as far as the data says it."""
        return "UTC"

    def why_empty(self) -> str:
        """See `DataSource.why_empty`."""
        if self.sample_users == 1:
            return super().why_empty()
        return f"data.sample_users={self.sample_users:g} takes none of the customers, so take a larger share"

    def cleaned(self, data: EventLog) -> EventLog:
        """See `DataSource.cleaned`."""
        if self.cleaning is None:
            return data
        return self.cleaning.apply(data if self.engine is DUCKDB else data.on(self.engine))

    def without_bots(self, log: EventLog, as_of: datetime | None) -> EventLog:
        """The prepared log without the bots of its cleaning, by what was known at a date."""
        return log if self.cleaning is None else self.cleaning.without_bots(log, as_of)


def _log_stage(stage: str, data: Prepared, started: float) -> None:
    counts = ", ".join(f"{n:,} {what}" for what, n in data.counts.items())
    logger.info("%s: %s %s in %.1f s", data.name, stage, counts, time.perf_counter() - started)


def _without_paths(value: Any) -> Any:
    """What a key holds of a setting that names files: whether it is set, or the names that it gives them."""
    return sorted(map(str, value)) if isinstance(value, Mapping) else value is not None
