"""Connections to sqlite that wait for a database which another process has locked."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from growthlab.core.interrupts import raise_if_kept
from growthlab.core.storage_faults import LockedDatabaseError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

PATIENCE = 300.0  # seconds: a backup or a VACUUM of a large store is over by then
ANNOUNCED_AFTER = 5.0  # seconds: shorter waits are part of several processes' everyday life
# sqlite waits that long by itself; in between Python sees signals, so that Ctrl-C ends a wait
POLL_SECONDS = 0.5
BUSY = 5  # the low byte of sqlite's codes for a database that is locked
STALE_SNAPSHOT = 517  # a transaction that began before another one's writes; it never succeeds


@dataclass
class DatabaseLock:
    """The lock of a database, as all threads of this process met it."""

    path: str
    announced: bool = False
    given_up: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def wait_for(self, step: Callable[[], Result]) -> Result:
        """The result of `step`, repeated while the database is locked.

        Raises
        ------
        LockedDatabaseError
            It was locked for longer than `PATIENCE`, in this step or in one before.
        """
        began = time.monotonic()
        while True:
            try:
                return step()
            except sqlite3.OperationalError as error:
                if not _is_locked(error):
                    raise
                raise_if_kept()
                waited = time.monotonic() - began
                self.given_up = self.given_up or waited >= PATIENCE
                if self.given_up:
                    raise LockedDatabaseError(
                        f"{self.path} has been locked by another process for {PATIENCE / 60:.0f} "
                        f"minutes: end that process (fuser {self.path} names it), and run the same "
                        "command again; what it had finished is kept"
                    ) from error
            if waited >= ANNOUNCED_AFTER:
                self._announce()

    def is_free(self) -> None:
        """Called after something was written: another lock will be waited for, and announced, again."""
        self.announced = self.given_up = False

    def _announce(self) -> None:
        with self._guard:
            if not self.announced:
                minutes = PATIENCE / 60
                text = "%s is locked by another process: waiting up to %.0f minutes"
                log.warning(text, self.path, minutes)
            self.announced = True


class PatientConnection(sqlite3.Connection):
    """A connection whose statements and commits wait for other processes."""

    def __init__(self, database: str, *args: Any, **options: Any) -> None:
        super().__init__(database, *args, **options)
        self.lock = _locks.setdefault(_resolved(database), DatabaseLock(database))

    def cursor(self, factory: Any = None) -> Any:
        """A `PatientCursor`, whatever the factory."""
        return super().cursor(PatientCursor)

    def commit(self) -> None:
        """Commit, once readers of other processes are done."""
        writes = self.in_transaction
        self.lock.wait_for(super().commit)
        if writes:
            self.lock.is_free()


class PatientCursor(sqlite3.Cursor):
    """A cursor whose statements wait for other processes."""

    def execute(self, statement: str, parameters: Any = ()) -> Any:
        """Execute a statement; one that would have sqlite wait for long is shortened."""
        if statement.startswith("PRAGMA busy_timeout"):  # MLflow sends it with each session
            statement = f"PRAGMA busy_timeout = {round(1000 * POLL_SECONDS)}"
        step = super().execute
        return self._lock.wait_for(lambda: step(statement, parameters))

    def executemany(self, statement: str, parameters: Iterable[Any]) -> Any:
        """Execute a statement for each row; only the first can meet a lock, so none is done twice."""
        step, rows = super().executemany, list(parameters)
        return self._lock.wait_for(lambda: step(statement, rows))

    @property
    def _lock(self) -> DatabaseLock:
        connection = self.connection
        assert isinstance(connection, PatientConnection)
        return connection.lock


_locks: dict[str, DatabaseLock] = {}


def wait_for_locked(path: Path) -> None:
    """Let every connection of this process to the sqlite database at `path` wait where it is locked."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    _locks.setdefault(_resolved(path), DatabaseLock(str(path)))
    if not event.contains(Engine, "do_connect", _connect):
        event.listen(Engine, "do_connect", _connect)


def require_database(path: Path) -> None:
    """Raise sqlite's error where it cannot open the file; MLflow would try again for minutes."""
    with closing(
        sqlite3.connect(path, timeout=POLL_SECONDS, factory=PatientConnection)
    ) as database:
        database.cursor().execute("PRAGMA schema_version")


def _connect(dialect: Any, record: Any, arguments: Any, options: dict[str, Any]) -> Any:
    """A patient connection; None, which means SQLAlchemy's own, for any other database."""
    if dialect.name != "sqlite" or not arguments or _resolved(arguments[0]) not in _locks:
        return None
    patient = {"timeout": POLL_SECONDS, "factory": PatientConnection}
    return dialect.connect(*arguments, **{**options, **patient})


def _resolved(path: str | Path) -> str:
    return str(Path(path).resolve())


def _is_locked(error: sqlite3.OperationalError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == BUSY and code != STALE_SNAPSHOT
