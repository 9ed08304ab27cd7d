"""A folder takes another's place in one step: who looks sees the old one or the new one."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2  # of renameat2(2), Linux


def swap_folder(beside: Path, folder: Path) -> None:
    """`beside` becomes `folder`, and what was there is removed.

    Where the system cannot exchange two folders, the old one is set aside first: for a moment there
    is none.
    """
    if not folder.exists():
        beside.rename(folder)
    elif _exchanged(beside, folder):
        shutil.rmtree(beside, ignore_errors=True)
    else:
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
        folder.rename(old / folder.name)
        beside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the two changed places; not where the system or its file system cannot do that."""
    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return int(exchange(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)) == 0
