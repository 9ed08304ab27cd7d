"""Temporary folders that belong to one process: what a killed one left behind is removed later."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system: nothing is locked, and nothing of others is removed
    fcntl = None  # type: ignore[assignment]

MARK = ".partial-"  # between the name and the random end


@contextmanager
def owned_folder(parent: Path, name: str, mode: int = 0o777) -> Iterator[Path]:
    """A new, hidden folder for `name` in `parent`, removed at the end; `mode` is subject to the umask.

    The process holds a lock on it, which the system releases even after a kill. Folders of the same
    name that nobody holds any more are removed first.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(parent, name)
    while True:
        folder = parent / f".{name}{MARK}{secrets.token_hex(4)}"
        folder.mkdir(mode=mode)
        held = _hold(folder)
        if held is not None:
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held >= 0:
            os.close(held)


@contextmanager
def scratch_folder() -> Iterator[None]:
    """Temporary files of the block, also those of libraries, go to an `owned_folder`.

    Where no folder can be made, they go where they went before.
    """
    before = tempfile.tempdir
    owned = owned_folder(Path(tempfile.gettempdir()), f"growthlab-{_user()}", mode=0o700)
    try:
        folder = owned.__enter__()
    except OSError:  # a read-only file system, or a full one
        yield
        return
    try:
        tempfile.tempdir = str(folder)
        yield
    finally:
        tempfile.tempdir = before
        owned.__exit__(None, None, None)


def _remove_abandoned(parent: Path, name: str) -> None:
    """Remove folders of that name whose process was killed."""
    for folder in parent.glob(f".{_escaped(name)}{MARK}*"):
        with suppress(OSError):
            held = _hold(folder)
            if held is not None and held >= 0:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _hold(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None if another process does, -1 where nobody can."""
    if fcntl is None:
        return -1
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:  # another process took it for abandoned just after it was made
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
    except BlockingIOError:
        pass
    except OSError:  # a file system without locks
        os.close(descriptor)
        return -1
    os.close(descriptor)
    return None


def _escaped(name: str) -> str:
    """The name with the signs that `Path.glob` would read as a pattern in brackets."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def _user() -> str:
    """The number of the user, whose folders alone can be removed."""
    return str(os.getuid()) if hasattr(os, "getuid") else "user"
