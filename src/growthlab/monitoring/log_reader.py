"""The service's request log, a block of lines at a time: the answers of a period, and what became of them."""

from __future__ import annotations

import hashlib
import json
import logging
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from growthlab.core.errors import ConfigError, DataError

log = logging.getLogger(__name__)

BLOCK = 5_000  # lines
MOST_DIGITS = 18
LONGEST = 2**20  # bytes of a line; what is longer is read in pieces, which are no JSON
EVENTS = ("impression", "click", "order")
VARIANTS = ("champion", "challenger", "shadow")
Line = Mapping[str, Any]


@dataclass
class Reading:
    """What was met on the way."""

    n_lines: int = 0
    n_broken: int = 0  # no JSON object, or without what every line has
    n_outside: int = 0  # answers before `since`, or at or after `until`
    first: datetime | None = None  # of the answers that count
    last: datetime | None = None
    served_by: Counter[tuple[str, str, str]] = field(
        default_factory=Counter
    )  # task, model, version


@dataclass(frozen=True)
class Period:
    """From `since` (inclusive) to `until` (exclusive), UTC; None: without an end there."""

    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, since: object, until: object) -> Period:
        """A period of ISO times or dates, taken as UTC where they name no zone.

        Raises
        ------
        ConfigError
            A time is no time, or the period is empty.
        """
        first, last = _moment(since, "since"), _moment(until, "until")
        if first is not None and last is not None and first >= last:
            raise ConfigError(f"since={since} is not before until={until}: nothing lies between")
        return cls(first, last)

    def holds(self, time: datetime) -> bool:
        """Whether the time lies in it."""
        return (self.since is None or time >= self.since) and (
            self.until is None or time < self.until
        )


def files_of(path: Path) -> list[Path]:
    """The log and the older parts beside it (``path.1`` is newer than ``path.2``), oldest first.

    Raises
    ------
    DataError
        There is no such file, or nothing is in it.
    """
    older = [p for p in path.parent.glob(f"{path.name}.*") if p.suffix[1:].isdigit()]
    found = sorted(older, key=lambda p: -int(p.suffix[1:]))
    found += [path] if path.is_file() else []
    if not found:
        raise DataError(f"log={path}: no such file; the service writes it with serve log=FILE")
    if not any(p.stat().st_size for p in found):
        raise DataError(f"log={path} is empty: nothing was answered yet")
    return found


def answers(files: list[Path], period: Period, reading: Reading) -> Iterator[list[Line]]:
    """The answers of the period in blocks; `reading` counts what is met."""
    block: list[Line] = []
    for line in _lines(files):
        reading.n_lines += 1
        found = _parsed(line)
        if found is None:
            reading.n_broken += 1
            continue
        if found["kind"] == "feedback":
            continue
        if not period.holds(found["time"]):
            reading.n_outside += 1
            continue
        reading.first = min(reading.first or found["time"], found["time"])
        reading.last = max(reading.last or found["time"], found["time"])
        reading.served_by[str(found.get("task")), found["model"], found["version"]] += 1
        block.append(found)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block


def failed(line: Line) -> bool:
    """Whether the line says that there was no answer, for a mistake inside the service."""
    status = line.get("status")
    return isinstance(status, int) and status >= 500


class Feedback:
    """Which requests were seen, clicked or ordered from: eight bytes a line of feedback.

    Feedback of any time counts, as an order comes later than its list. The same event of a request
    counts once.
    """

    def __init__(self, files: list[Path]) -> None:
        keys = {event: array("Q") for event in EVENTS}
        for line in _lines(files):
            if b'"feedback"' not in line:  # most lines need not be read twice
                continue
            found = _parsed(line)
            if found is not None and found["kind"] == "feedback" and found.get("event") in keys:
                keys[found["event"]].append(_key(found["request_id"]))
        self._keys = {e: np.unique(np.array(k, dtype=np.uint64)) for e, k in keys.items()}
        self._answered = {e: np.zeros(len(k), dtype=bool) for e, k in self._keys.items()}

    def of(self, request_ids: list[str]) -> dict[str, np.ndarray]:
        """Whether each of the requests had each event, ``(n,)`` bool; those are taken as answered."""
        keys = np.array([_key(i) for i in request_ids], dtype=np.uint64)
        found = {}
        for event, known in self._keys.items():
            places = np.minimum(np.searchsorted(known, keys), max(len(known) - 1, 0))
            had = known[places] == keys if len(known) else np.zeros(len(keys), dtype=bool)
            self._answered[event][places[had]] = True
            found[event] = had
        return found

    @property
    def n_without_answer(self) -> int:
        """Events of requests that were not among those asked for."""
        return sum(int((~answered).sum()) for answered in self._answered.values())

    def __len__(self) -> int:
        return sum(map(len, self._keys.values()))


def _lines(files: list[Path]) -> Iterator[bytes]:
    try:
        for path in files:
            with path.open("rb") as file:
                pieces = iter(lambda: file.readline(LONGEST), b"")
                yield from (line for line in pieces if line.strip())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The line with its time as a moment; None where it is no line of a request log."""
    try:
        found = json.loads(line, parse_int=_whole_number)
        found["time"] = _utc(datetime.fromisoformat(found["time"]))
        words = ("event",) if found["kind"] == "feedback" else ("model", "version", "variant")
        whole = all(isinstance(found[w], str) for w in ("request_id", *words))
        found["request_id"].encode()  # half a surrogate pair is no text
        known = found["kind"] == "feedback" or (
            isinstance(found["kind"], str) and found["variant"] in VARIANTS
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    return found if whole and known else None


def _whole_number(digits: str) -> int:
    """The number; ValueError where it has more digits than any count."""
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"{digits[:MOST_DIGITS]}... is no count")
    return int(digits)


def _key(request_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest(), "little")


def _moment(value: object, name: str) -> datetime | None:
    if value is None:
        return None
    try:
        return _utc(datetime.fromisoformat(str(value)))
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{name}={value} is no time: write it as 2025-06-01T12:00") from error


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
