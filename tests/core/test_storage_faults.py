"""Storage that failed is said in one line, whichever library met it."""

from __future__ import annotations

import errno
import shutil
import sqlite3

import pytest

from growthlab.core.storage_faults import (
    LockedDatabaseError,
    raise_if_storage_failed,
    storage_fault,
)

FULL = [
    OSError(errno.ENOSPC, "No space left on device", "mlartifacts/model.npz"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.EFBIG, "File too large"),
    OSError("8192 requested and 4096 written"),  # of NumPy
    shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")]),
    sqlite3.OperationalError("database or disk is full"),
    RuntimeError(
        "[enforce fail] . PytorchStreamWriter failed writing file data/3: file write failed"
    ),
    ValueError(
        'IO Error: Could not write file "log.tmp": No space left on device'
    ),  # DuckDB's text
]


@pytest.mark.parametrize("error", FULL, ids=lambda error: str(error)[:30])
def test_a_full_disk_is_one_line(error: Exception) -> None:
    line = storage_fault(error)
    assert line is not None
    assert line.startswith("a file cannot be written (")
    assert line.endswith("make room, and run the same command again; what it had finished is kept")
    assert "\n" not in line


def test_the_cause_of_an_error_of_another_library_counts() -> None:
    error = ValueError("run failed")
    error.__cause__ = LockedDatabaseError("mlflow.db has been locked")
    assert storage_fault(error) == "mlflow.db has been locked"
    with pytest.raises(ValueError, match="run failed"):
        raise_if_storage_failed(error)


def test_other_errors_have_another_cause() -> None:
    for error in (ValueError("l2 must be positive"), FileNotFoundError(2, "none"), OSError("?")):
        assert storage_fault(error) is None
        raise_if_storage_failed(error)
