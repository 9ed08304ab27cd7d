"""Files and folders replaced in one step: a reader, and a restart after a kill, finds old or new, whole."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from growthlab.core.owned_folder import owned_folder

AT_FDCWD = -100
RENAME_EXCHANGE = 2  # of renameat2(2), Linux


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path to write to, near `path`, which replaces it at the end; an error leaves the old file.

    Processes that write the same file at a time get a path each.
    """
    with owned_folder(path.parent, path.name) as folder:
        new = folder / path.name
        yield new
        new.replace(path)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """`atomic_path`, opened for writing."""
    with atomic_path(path) as new, new.open("wb") as file:
        yield file


def write_json(path: Path, values: Any) -> None:
    """Plain values as JSON."""
    with atomic_file(path) as file:
        file.write(json.dumps(values).encode())


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """An empty folder next to `folder`, which replaces it at the end; an error leaves the old one."""
    with owned_folder(folder.parent, folder.name) as new:
        yield new
        swap_folder(new, folder)


def swap_folder(new: Path, folder: Path) -> None:
    """`new` becomes `folder`, and what was there is removed.

    Where the system cannot exchange two folders, the old one is set aside first: for a moment there
    is none.
    """
    if not folder.exists():
        new.rename(folder)
    elif _exchange(new, folder):
        shutil.rmtree(new, ignore_errors=True)
    else:
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
        folder.rename(old / folder.name)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths; False where the system or its file system cannot do that."""
    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return int(exchange(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)) == 0
