"""One line on storage that failed: a full disk, a database that another process has locked."""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Iterator

from growthlab.core.errors import one_line

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# of DuckDB, Arrow, PyTorch, NumPy and sqlite, whose errors have no number
FULL_TEXTS = re.compile(
    "No space left on device|Disk quota exceeded|File too large|database or disk is full|"
    r"disk I/O error|requested and \d+ written|PytorchStreamWriter failed writing"
)
LONGEST = 200  # characters of a reason


class LockedDatabaseError(sqlite3.OperationalError):
    """A database stayed locked by another process for longer than this one waits."""


class ServerGoneError(ConnectionError):
    """A server stayed away for longer than this process waits; the message says where the results are."""


def storage_fault(error: BaseException) -> str | None:
    """What failed and what to do, in one line; None where the error has another cause."""
    for cause in _causes(error):
        if isinstance(cause, (LockedDatabaseError, ServerGoneError)):
            return one_line(cause)
        if (isinstance(cause, OSError) and cause.errno in FULL) or FULL_TEXTS.search(str(cause)):
            return (
                f"a file cannot be written ({_reason(cause)}): make room, and run the "
                "same command again; what it had finished is kept"
            )
    return None


def raise_if_storage_failed(error: BaseException) -> None:
    """Raise the error again if storage failed: then no other model or trial would fare better."""
    if storage_fault(error) is not None:
        raise error


def _reason(error: BaseException) -> str:
    """The beginning of the message, or where that is long, the part of it that says what failed."""
    text = one_line(error)
    known = FULL_TEXTS.search(text)
    return text[known.start() if known and len(text) > LONGEST else 0 :][:LONGEST]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The innermost cause first, then what was raised from it; a database's own error before its wrapper."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    yield from reversed(chain)
