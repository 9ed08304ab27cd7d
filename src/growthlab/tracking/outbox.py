"""What a tracking server has not received yet, kept in files: calls in their order, and files to upload.

An outbox belongs to one process, which holds a lock on it. What a process leaves behind is sent by the
next command that opens the same server, or by ``growthlab sync``.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from growthlab.core.private_files import private_files

if TYPE_CHECKING:
    from filelock import BaseFileLock

VARIABLE = "GROWTHLAB_OUTBOX"
KEY = "growthlab.run"  # tag: a run's own id, by which it is found if the answer got lost, or was never given
JOURNAL, SENT, IDS, FILES, LOCK, ABOUT = (
    *("journal.jsonl", "sent", "ids.jsonl", "files", "lock", "about.json"),
)


def outbox_root() -> Path:
    """Where outboxes are: ``GROWTHLAB_OUTBOX``, else in the user's own folder, never beside a project.

    A project that came from somebody else could bring an outbox along, whose calls would be sent in
    the name of whoever uses it.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "growthlab" / "outbox"


def server_name(uri: str) -> str:
    """The address of a server without a user and a password."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


@dataclass(frozen=True)
class Call:
    """One call of MLflow's client with plain arguments; `number` counts from 0 within an outbox."""

    number: int
    method: str
    arguments: dict[str, Any]


class Outbox:
    """The outbox in a folder, which may not exist yet; `hold` before anything else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: BaseFileLock | None = None
        self._n_sent = self._n_calls = 0
        self.ids: dict[str, str] = {}  # ids of runs that were begun without the server -> its ids

    @classmethod
    def new(cls, uri: str) -> Self:
        """An empty outbox of this process."""
        name = server_name(uri)
        box = cls(_folder_of(uri) / f"{os.getpid()}-{secrets.token_hex(4)}")
        box.hold()
        with private_files():
            (box.folder / ABOUT).write_text(json.dumps({"server": name}), encoding="utf-8")
        return box

    def hold(self) -> bool:
        """Whether this process may read and write it: no other process holds it."""
        from filelock import FileLock, Timeout

        with private_files():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return False
        self._lock = lock
        self._n_calls = sum(1 for _ in self._calls())
        sent = self.folder / SENT
        self._n_sent = int(sent.read_text() or 0) if sent.exists() else 0
        if (self.folder / IDS).exists():
            for line in _whole_lines(self.folder / IDS):
                self.ids.update(json.loads(line))
        return True

    def release(self) -> None:
        """Leave it to other processes; nothing stays of an empty one."""
        if self._lock is None:
            return
        if not self.n_waiting:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()
        self._lock = None

    @property
    def n_waiting(self) -> int:
        """How many calls are not sent yet."""
        return self._n_calls - self._n_sent

    def add(self, method: str, arguments: dict[str, Any], files: Path | None = None) -> None:
        """Keep a call; of `files`, a folder, a copy is kept."""
        with private_files():
            if files is not None:
                shutil.copytree(files, self.folder / FILES / str(self._n_calls), dirs_exist_ok=True)
            line = json.dumps([method, arguments], ensure_ascii=True) + "\n"
            with (self.folder / JOURNAL).open("ab") as journal:
                _cut_half_line(self.folder / JOURNAL)
                journal.write(line.encode())
                journal.flush()
                os.fsync(journal.fileno())
        self._n_calls += 1

    def waiting(self) -> Iterator[Call]:
        """The calls that are not sent yet, in their order."""
        for call in self._calls():
            if call.number >= self._n_sent:
                yield call

    def files_of(self, call: Call) -> Path:
        """The folder of the files of a call."""
        return self.folder / FILES / str(call.number)

    def mark_sent(self, call: Call) -> None:
        """The server has this call, and all before it."""
        self._n_sent = call.number + 1
        new = self.folder / f"{SENT}.new"
        with private_files():
            new.write_text(str(self._n_sent))
        new.replace(self.folder / SENT)
        shutil.rmtree(self.files_of(call), ignore_errors=True)

    def add_id(self, local: str, server: str) -> None:
        """A run that was begun without the server has this id there."""
        self.ids[local] = server
        with private_files(), (self.folder / IDS).open("ab") as file:
            file.write((json.dumps({local: server}) + "\n").encode())

    def _calls(self) -> Iterator[Call]:
        """Every call; a line that a killed process left half written was never promised."""
        path = self.folder / JOURNAL
        if not path.exists():
            return
        for number, line in enumerate(_whole_lines(path)):
            method, arguments = json.loads(line)
            yield Call(number, str(method), dict(arguments))


def left_outboxes(uri: str) -> Iterator[Outbox]:
    """The outboxes for a server that no process holds, held; the caller releases them."""
    for folder in sorted(path for path in _folder_of(uri).glob("*") if path.is_dir()):
        box = Outbox(folder)
        if box.hold():
            yield box


def n_held_by_others(uri: str) -> int:
    """How many outboxes for a server belong to processes that still run."""
    n_held = 0
    for folder in _folder_of(uri).glob("*"):
        box = Outbox(folder)
        if folder.is_dir() and not box.hold():
            n_held += 1
        box.release()
    return n_held


def _folder_of(uri: str) -> Path:
    name = server_name(uri)
    readable = "".join(c if c.isalnum() else "-" for c in urlsplit(name).netloc)[:40]
    return outbox_root() / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _whole_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line.decode()


def _cut_half_line(path: Path) -> None:
    """Cut off what a killed process wrote of a line, so that the next one stands on its own."""
    content_end = path.stat().st_size
    if not content_end:
        return
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
