"""The store of studies: a journal file or a sqlite database on one machine, PostgreSQL across machines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from growthlab.core.credentials import without_passwords
from growthlab.core.errors import ConfigError, one_line
from growthlab.core.file_lock import file_lock
from growthlab.core.interrupts import raise_if_interrupted
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.tracking.patient_sqlite import wait_for_locked

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql+psycopg://"
POSTGRESQL_OPTIONS = {"connect_timeout": 10, "client_encoding": "utf8"}  # seconds; text, not bytes


@dataclass(frozen=True)
class StudyStore:
    """A store of studies: a database at `url`, or the file `journal` where that is None."""

    url: str | None
    journal: Path

    def __post_init__(self) -> None:
        if self.url is not None and not self.url.startswith((SQLITE, POSTGRESQL)):
            scheme = self.url.partition("://")[0]
            raise ConfigError(
                f"storage={scheme}://...: possible are sqlite:///FILE and "
                "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, or null for a file under cache"
            )

    @property
    def safe_url(self) -> str:
        """The URL without its password, or the path of the journal."""
        if self.url is None:
            return str(self.journal)
        return without_passwords(self.url)

    @cached_property
    def storage(self) -> BaseStorage:
        """Optuna's storage; its tables are created if there are none.

        Raises
        ------
        ConfigError
            It cannot be opened.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        if not self._file.parent.is_dir():
            why = f"there is no folder {self._file.parent}"
            raise ConfigError(f"storage {self.safe_url} cannot be opened: {why}")
        try:
            with self.locked("tables"):
                return self._open()
        except ConfigError:
            raise
        except Exception as error:
            raise_if_interrupted()
            raise_if_storage_failed(error)
            raise ConfigError(
                f"storage {self.safe_url} cannot be opened: {_reason(error)}"
            ) from error

    def close(self) -> None:
        """Close the database's connections."""
        from optuna.storages import RDBStorage

        storage = self.__dict__.pop("storage", None)
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """In the block, no other process holds the lock of that name; a kill releases it."""
        if self.url is not None and self.url.startswith(POSTGRESQL):
            with self._advisory_lock(name):
                yield
            return
        with file_lock(Path(f"{self._file}.{name.split()[0]}.lock")):
            yield

    @property
    def _file(self) -> Path:
        """The file of a store on this machine; for a server the journal's."""
        if self.url is not None and self.url.startswith(SQLITE):
            return Path(self.url.removeprefix(SQLITE))
        return self.journal

    def _open(self) -> BaseStorage:
        from optuna.storages import JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        if self.url is None:
            _cut_off_partial_line(self.journal)
            lock: Any = _JournalLock(self.journal)
            return JournalStorage(JournalFileBackend(str(self.journal), lock_obj=lock))
        if self.url.startswith(SQLITE):
            wait_for_locked(self._file)
            return RDBStorage(self.url)
        options = {"connect_args": POSTGRESQL_OPTIONS, "pool_pre_ping": True}
        return RDBStorage(self.url, engine_kwargs=options)

    @contextmanager
    def _advisory_lock(self, name: str) -> Iterator[None]:
        """A lock of the PostgreSQL server, which is released with the connection."""
        from sqlalchemy import create_engine, text
        from sqlalchemy.pool import NullPool

        assert self.url is not None
        number = int.from_bytes(hashlib.sha256(f"growthlab {name}".encode()).digest()[:7])
        engine = create_engine(self.url, poolclass=NullPool, connect_args=POSTGRESQL_OPTIONS)
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:n)"), {"n": number})
            yield


class _JournalLock:
    """The journal's lock in Optuna's interface; the system releases it with the process."""

    def __init__(self, journal: Path) -> None:
        from filelock import FileLock

        self._lock = FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()


def _cut_off_partial_line(journal: Path) -> None:
    """Remove a last line that a crash left half written, as the next line would be appended to it."""
    with file_lock(Path(f"{journal}.lock")):
        if not journal.exists():
            return
        with journal.open("r+b") as file:
            content = file.read()
            end_of_lines = content.rfind(b"\n") + 1
            if end_of_lines != len(content):
                file.truncate(end_of_lines)


def _reason(error: Exception) -> str:
    """Why a database cannot be opened, in one line without SQL and links."""
    if isinstance(error, ImportError):
        return "its driver is missing: pip install 'growthlab[postgres]'"
    text = one_line(getattr(error, "orig", None) or error)
    return text.partition("(Background on this error")[0].partition(" Is the server running")[0][
        :200
    ]
