"""Reads the service's request log block by block: the answers of a period, and the feedback on them."""

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
LONGEST = 2**20  # bytes of a line; a longer one is read in pieces, which are no JSON
EVENTS = ("impression", "click", "order")
VARIANTS = ("champion", "challenger", "shadow")
Line = Mapping[str, Any]


@dataclass
class LogReading:
    """Counts of a log that was read."""

    n_lines: int = 0
    n_broken: int = 0  # no JSON object, or without the fields of every line
    n_outside: int = 0  # answers before `since`, or at or after `until`
    first: datetime | None = None  # of the answers that count
    last: datetime | None = None
    served_by: Counter[tuple[str, str, str]] = field(
        default_factory=Counter
    )  # task, model, version


@dataclass(frozen=True)
class LogPeriod:
    """From `since` (inclusive) to `until` (exclusive), UTC; None: unbounded."""

    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, since: object, until: object) -> LogPeriod:
        """A period of ISO times or dates, in UTC where they name no zone.

        Raises
        ------
        ConfigError
            A value is no time, or the period is empty.
        """
        first, last = _moment(since, "since"), _moment(until, "until")
        if first is not None and last is not None and first >= last:
            raise ConfigError(f"since={since} is not before until={until}: nothing lies between")
        return cls(first, last)

    def holds(self, time: datetime) -> bool:
        """Whether the time is in the period."""
        return (self.since is None or time >= self.since) and (
            self.until is None or time < self.until
        )


def log_files(path: Path) -> list[Path]:
    """The log and its older parts (``path.1`` is newer than ``path.2``), oldest first.

    Raises
    ------
    DataError
        There is no such file, or it is empty.
    """
    older = [p for p in path.parent.glob(f"{path.name}.*") if p.suffix[1:].isdigit()]
    files = sorted(older, key=lambda p: -int(p.suffix[1:]))
    files += [path] if path.is_file() else []
    if not files:
        raise DataError(f"log={path}: no such file; the service writes it with serve log=FILE")
    if not any(p.stat().st_size for p in files):
        raise DataError(f"log={path} is empty: the service has not answered yet")
    return files


def answer_blocks(
    files: list[Path], period: LogPeriod, reading: LogReading
) -> Iterator[list[Line]]:
    """The answers of the period in blocks; `reading` counts the lines."""
    block: list[Line] = []
    for line in _lines(files):
        reading.n_lines += 1
        answer = _parsed(line)
        if answer is None:
            reading.n_broken += 1
            continue
        if answer["kind"] == "feedback":
            continue
        if not period.holds(answer["time"]):
            reading.n_outside += 1
            continue
        time = answer["time"]
        reading.first = min(reading.first or time, time)
        reading.last = max(reading.last or time, time)
        reading.served_by[str(answer.get("task")), answer["model"], answer["version"]] += 1
        block.append(answer)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block


def is_failed(line: Line) -> bool:
    """Whether the request failed inside the service."""
    status = line.get("status")
    return isinstance(status, int) and status >= 500


def is_answer(line: Line) -> bool:
    """Whether the request was answered: no failure, and nothing that a shadow refused or was spared."""
    status = line.get("status")
    return not (isinstance(status, int) and status >= 400)


class Feedback:
    """Which requests were seen, clicked or ordered from, in eight bytes a line of feedback.

    Feedback counts at any time, since an order follows its list later. The same event of a request
    counts once.
    """

    def __init__(self, files: list[Path]) -> None:
        keys = {event: array("Q") for event in EVENTS}
        for line in _lines(files):
            if b'"feedback"' not in line:  # most lines need not be parsed twice
                continue
            fields = _parsed(line)
            if fields is None or fields["kind"] != "feedback":
                continue
            if (event := fields.get("event")) in keys:
                keys[event].append(_key(fields["request_id"]))
        self._keys = {e: np.unique(np.array(k, dtype=np.uint64)) for e, k in keys.items()}
        self._answered = {e: np.zeros(len(k), dtype=bool) for e, k in self._keys.items()}

    def of(self, request_ids: list[str]) -> dict[str, np.ndarray]:
        """Whether each request had each event, ``(n,)`` bool; these requests count as answered."""
        keys = np.array([_key(i) for i in request_ids], dtype=np.uint64)
        events = {}
        for event, known in self._keys.items():
            places = np.minimum(np.searchsorted(known, keys), max(len(known) - 1, 0))
            had = known[places] == keys if len(known) else np.zeros(len(keys), dtype=bool)
            self._answered[event][places[had]] = True
            events[event] = had
        return events

    @property
    def n_without_answer(self) -> int:
        """Events of requests that `of` was never called with."""
        return sum(int((~answered).sum()) for answered in self._answered.values())

    def __len__(self) -> int:
        return sum(map(len, self._keys.values()))


def feedback_items(files: list[Path], event: str) -> dict[str, set[str]]:
    """The items that the feedback of an event names, by request."""
    named: dict[str, set[str]] = {}
    for line in _lines(files):
        fields = _parsed(line) if b'"feedback"' in line else None
        if fields is None or fields["kind"] != "feedback" or fields.get("event") != event:
            continue
        items = fields.get("items")
        if isinstance(items, list):
            texts = {item for item in items if isinstance(item, str)}
            named.setdefault(fields["request_id"], set()).update(texts)
    return named


def _lines(files: list[Path]) -> Iterator[bytes]:
    try:
        for path in files:
            with path.open("rb") as file:
                pieces = iter(lambda: file.readline(LONGEST), b"")
                yield from (line for line in pieces if line.strip())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The fields of a line, its time as a datetime; None where it is no line of a request log."""
    try:
        fields = json.loads(line, parse_int=_whole_number)
        fields["time"] = _utc(datetime.fromisoformat(fields["time"]))
        texts = ("event",) if fields["kind"] == "feedback" else ("model", "version", "variant")
        has_texts = all(isinstance(fields[w], str) for w in ("request_id", *texts))
        fields["request_id"].encode()  # a lone surrogate is no text
        is_known = fields["kind"] == "feedback" or (
            isinstance(fields["kind"], str) and fields["variant"] in VARIANTS
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    return fields if has_texts and is_known else None


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
