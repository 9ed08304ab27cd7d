"""Where studies are kept: a journal file or a sqlite database on one machine, PostgreSQL across machines."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from growthlab.core.errors import ConfigError, one_line
from growthlab.core.interrupts import raise_if_interrupted

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql+psycopg://"
PATIENCE = 60  # seconds to wait for a database that another process writes to
SERVER = {"connect_timeout": 10, "client_encoding": "utf8"}  # seconds; words, not bytes


@dataclass(frozen=True)
class StudyStore:
    """A store of studies: the URL of a database, or None for a journal file at `journal`."""

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
    def shown(self) -> str:
        """The place without its password."""
        if self.url is None:
            return str(self.journal)
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", self.url)

    @cached_property
    def storage(self) -> BaseStorage:
        """Optuna's storage, its tables made once.

        Raises
        ------
        ConfigError
            It cannot be opened, in one line.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        if not self._file.parent.is_dir():
            why = f"there is no folder {self._file.parent}"
            raise ConfigError(f"storage {self.shown} cannot be opened: {why}")
        try:
            with self.alone("tables"):
                return self._opened()
        except ConfigError:
            raise
        except Exception as error:
            raise_if_interrupted()
            raise ConfigError(f"storage {self.shown} cannot be opened: {_reason(error)}") from error

    def close(self) -> None:
        """Let go of the database's connections."""
        from optuna.storages import RDBStorage

        storage = self.__dict__.pop("storage", None)
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Inside, no other process is here with the same `what`; a killed one lets go of it."""
        if self.url is not None and self.url.startswith(POSTGRESQL):
            with self._advisory(what):
                yield
            return
        from filelock import FileLock

        with FileLock(f"{self._file}.{what.split()[0]}.lock"):
            yield

    @property
    def _file(self) -> Path:
        """The file of a store on this machine; the journal's beside a server."""
        if self.url is not None and self.url.startswith(SQLITE):
            return Path(self.url.removeprefix(SQLITE))
        return self.journal

    def _opened(self) -> BaseStorage:
        from optuna.storages import JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        if self.url is None:
            _mend(self.journal)
            lock: Any = _Lock(self.journal)
            return JournalStorage(JournalFileBackend(str(self.journal), lock_obj=lock))
        return RDBStorage(self.url, engine_kwargs=self._engine)

    @property
    def _engine(self) -> dict[str, Any]:
        """How SQLAlchemy connects."""
        assert self.url is not None
        if self.url.startswith(SQLITE):
            return {"connect_args": {"timeout": PATIENCE}}
        return {"connect_args": SERVER, "pool_pre_ping": True}

    @contextmanager
    def _advisory(self, what: str) -> Iterator[None]:
        """A lock of the PostgreSQL server, which falls with the connection."""
        from sqlalchemy import create_engine, text
        from sqlalchemy.pool import NullPool

        assert self.url is not None
        number = int.from_bytes(hashlib.sha256(f"growthlab {what}".encode()).digest()[:7])
        engine = create_engine(self.url, poolclass=NullPool, connect_args=SERVER)
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:n)"), {"n": number})
            yield


class _Lock:
    """The journal's lock: the system frees it with its process, so that a kill leaves none behind."""

    def __init__(self, journal: Path) -> None:
        from filelock import FileLock

        self._lock = FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Let go of it."""
        self._lock.release()


def _mend(journal: Path) -> None:
    """Cut off a last line that a crash of the machine left half written: it would spoil the next."""
    with _locked(journal):
        if not journal.exists():
            return
        with journal.open("r+b") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole != len(content):
                file.truncate(whole)


@contextmanager
def _locked(journal: Path) -> Iterator[None]:
    lock = _Lock(journal)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _reason(error: Exception) -> str:
    """Why a database cannot be opened, without SQL and links; what is missing, if it is a driver."""
    if isinstance(error, ImportError):
        return "its driver is missing: pip install 'growthlab[postgres]'"
    text = one_line(getattr(error, "orig", None) or error)
    return text.partition("(Background on this error")[0].partition(" Is the server running")[0][
        :200
    ]
