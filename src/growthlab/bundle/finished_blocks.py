"""Block-by-block work on a file that survives a kill: finished blocks wait next to the target."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from growthlab.core.atomic_write import write_json
from growthlab.core.errors import ConfigError, GrowthlabError

log = logging.getLogger(__name__)

JOURNAL = "journal.json"


class LostEngineError(GrowthlabError, RuntimeError):
    """Whatever computed the blocks is gone, and no block is to blame: the next call continues."""


@dataclass
class FinishedBlocks:
    """The finished blocks of a target: one file each, and a journal that counts their rows."""

    folder: Path
    target: Path
    identity: str
    rows: list[int] = field(default_factory=list)  # written rows, one number a block

    def add(self, write: Callable[[Path], int]) -> None:
        """Write the next block by calling `write` with its path; it counts once it is complete."""
        path = self._part(len(self.rows))
        partial = path.with_name(f"{path.name}.partial")
        written = write(partial)
        partial.replace(path)
        self.rows.append(written)
        write_json(self.folder / JOURNAL, {"identity": self.identity, "rows": self.rows})

    def joined(self, join: Callable[[list[Path], Path], None]) -> int:
        """Join all blocks and move the result to the target in one step; how many rows it has."""
        whole = self.folder / f"whole{self.target.suffix}"
        join([self._part(number) for number in range(len(self.rows))], whole)
        whole.replace(self.target)
        return sum(self.rows)

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:06}{self.target.suffix}"


@contextmanager
def finished_blocks(target: Path, identity: str) -> Iterator[FinishedBlocks]:
    """The blocks of `target` that an earlier call with the same `identity` has finished.

    They are removed at the end and after an error; a kill, an interrupt or a `LostEngineError` leaves
    them, so that the next call continues. Blocks of another identity (another bundle, source or
    setting) are removed.

    Raises
    ------
    ConfigError
        The target cannot be written, or another process is writing it.
    """
    folder = target.with_name(f".{target.name}.blocks")
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock.acquire(timeout=0):
            try:
                yield _blocks_of_before(folder, target, identity)
            except LostEngineError:
                raise
            except Exception:
                _remove(folder, lock.lock_file)
                raise
            _remove(folder, lock.lock_file)
    except Timeout:
        raise ConfigError(f"another process is writing {target}: wait for it") from None
    except OSError as error:  # the disk is full, say; the source's own errors are DataErrors
        reason = error.strerror or str(error).partition("\n")[0]
        raise ConfigError(f"{target} cannot be written: {reason}") from error


def _remove(folder: Path, lock: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    Path(lock).unlink(missing_ok=True)


def _blocks_of_before(folder: Path, target: Path, identity: str) -> FinishedBlocks:
    """The blocks that an earlier call has finished, or an empty folder."""
    try:
        journal = json.loads((folder / JOURNAL).read_text(encoding="utf-8"))
        rows = [int(n) for n in journal["rows"]]
        if journal["identity"] == identity:
            blocks = FinishedBlocks(folder, target, identity, rows)
            if all(blocks._part(number).is_file() for number in range(len(rows))):
                log.info("%d blocks of %s are there already", len(rows), target)
                return blocks
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is no journal, or it cannot be used
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return FinishedBlocks(folder, target, identity)
