"""Work on a file block by block that survives a kill: finished blocks wait beside the target."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from growthlab.core.atomic_write import write_json
from growthlab.core.errors import ConfigError

log = logging.getLogger(__name__)

JOURNAL = "journal.json"


@dataclass
class FinishedBlocks:
    """The blocks of a target that are done: a file each, and a journal that counts their rows."""

    folder: Path
    target: Path
    identity: str
    rows: list[int] = field(default_factory=list)  # written, one number a block

    def add(self, write: Callable[[Path], int]) -> None:
        """Write the next block to the path that `write` is given; it counts when it is complete."""
        path = self._part(len(self.rows))
        beside = path.with_name(f"{path.name}.partial")
        written = write(beside)
        beside.replace(path)
        self.rows.append(written)
        write_json(self.folder / JOURNAL, {"identity": self.identity, "rows": self.rows})

    def joined(self, join: Callable[[list[Path], Path], None]) -> int:
        """Make the target of all blocks, in one step, and remove them; how many rows it has."""
        beside = self.folder / f"whole{self.target.suffix}"
        join([self._part(number) for number in range(len(self.rows))], beside)
        beside.replace(self.target)
        return sum(self.rows)

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:06}{self.target.suffix}"


@contextmanager
def finished_blocks(target: Path, identity: str) -> Iterator[FinishedBlocks]:
    """The blocks of `target` that an earlier call with the same `identity` has finished.

    They are removed at the end and after any mistake; a kill or an interrupt leaves them, for the
    next call to go on. Blocks of another identity (another bundle, source or setting) are of no use
    and are removed.

    Raises
    ------
    ConfigError
        The target cannot be written, or another process is at work on it.
    """
    folder = target.with_name(f".{target.name}.blocks")
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock.acquire(timeout=0):
            try:
                yield _begun(folder, target, identity)
            except Exception:
                _removed(folder, lock.lock_file)
                raise
            _removed(folder, lock.lock_file)
    except Timeout:
        raise ConfigError(f"another process is writing {target}: wait for it") from None
    except OSError as error:  # the disk is full, say; the source's own errors are DataErrors
        reason = error.strerror or str(error).partition("\n")[0]
        raise ConfigError(f"{target} cannot be written: {reason}") from error


def _removed(folder: Path, lock: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    Path(lock).unlink(missing_ok=True)


def _begun(folder: Path, target: Path, identity: str) -> FinishedBlocks:
    """What is there already, or an empty folder."""
    try:
        found = json.loads((folder / JOURNAL).read_text(encoding="utf-8"))
        rows = [int(n) for n in found["rows"]]
        if found["identity"] == identity:
            begun = FinishedBlocks(folder, target, identity, rows)
            if all(begun._part(number).is_file() for number in range(len(rows))):
                log.info("%d blocks of %s are there already", len(rows), target)
                return begun
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is none, or it cannot be used
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return FinishedBlocks(folder, target, identity)
