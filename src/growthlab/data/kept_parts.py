"""The events of each file of a log, kept in the cache: of a folder that grows only new files are read."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from growthlab.core.errors import DataError
from growthlab.data.cleaning_report import report_of_counts
from growthlab.data.event_log import EventLog
from growthlab.data.file_digests import FileDigests
from growthlab.data.kinds import EVENT_COLUMNS, ORDERS
from growthlab.data.read_events import one_currency, refuse_other_orders
from growthlab.data.readers.parquet_table import path_pattern
from growthlab.data.sql_text import quoted_text

logger = logging.getLogger(__name__)

FOLDER = "parts"
EVENTS, ABOUT = "events.parquet", "log.json"


class Part(NamedTuple):
    """The kept events of one file: their Parquet file, their columns, and what reading dropped or changed."""

    events: Path
    columns: frozenset[str]
    cleaning: Sequence[Mapping[str, Any]]
    n_events: int
    currency: str | None


@dataclass(frozen=True)
class KeptParts:
    """Where the events of files are kept, and the digests of files; `names` says how customers are named."""

    cache: Path
    digests: FileDigests
    names: str = ""

    def log_of(
        self,
        paths: Sequence[Path],
        key_of: Callable[[Path, str], Any],
        read: Callable[[Path], EventLog],
        name: str,
    ) -> EventLog | None:
        """The events of all files, of which those without a kept part are read; None without times.

        `key_of` says what the events of a file depend on, given its digest: a file with the same key as
        another was delivered twice, and counts once. The order of rows goes over all files where it is the
        only one, so that such a log is read as a whole.

        Raises
        ------
        DataError
            A file cannot be read, or only some have times; what was kept before stays.
        """
        parts: dict[str, Part] = {}
        twice: list[tuple[Path, str]] = []
        n_read = 0
        for path in paths:
            text = json.dumps([key_of(path, self.digests.of(path)), self.names], default=str)
            key = hashlib.sha256(text.encode()).hexdigest()[:32]
            if key in parts:
                twice.append((path, key))
                continue
            folder = self.cache / FOLDER / key
            part = kept_part(folder)
            if part is None:
                log = read(path)
                n_read += 1
                if log.ordered_by != "timestamp":
                    return None
                log.save(folder)
                part = kept_part(folder)
                if part is None:
                    raise DataError(f"{folder} cannot be read back: is the disk in order?")
            parts[key] = part
        logger.info("%s: %d of %d files are new and were read", name, n_read, len(paths))
        return _united(list(parts.values()), [(path, parts[key]) for path, key in twice], name)


def kept_part(folder: Path) -> Part | None:
    """The part in a folder; None where there is none, or a damaged one."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        n_events = pq.read_metadata(folder / EVENTS).num_rows
        columns, currency = frozenset(about["columns"]), about["currency"]
        return Part(folder / EVENTS, columns, about["cleaning"], n_events, currency)
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None


def _united(parts: Sequence[Part], twice: Sequence[tuple[Path, Part]], name: str) -> EventLog:
    """The log of all parts, whose events stay in their files."""
    refuse_other_orders([part.columns & set(ORDERS) for part in parts])
    currency = one_currency({part.currency for part in parts if part.currency is not None})
    columns = frozenset[str]().union(*(part.columns for part in parts))
    first = EventLog.open(parts[0].events.parent)
    files = ", ".join(quoted_text(path_pattern(part.events)) for part in parts)
    cells = [
        f'"{c}"' if c in columns else f'NULL::{kind} AS "{c}"'
        for c, kind in EVENT_COLUMNS.items()
        if c in columns or c not in ORDERS
    ]
    log = first.derive(
        f"SELECT {', '.join(cells)} FROM read_parquet([{files}], union_by_name = true)",
        fills=columns,
    )
    log.name, log.currency = name, currency
    rows = [row for part in parts for row in part.cleaning]
    return log.with_cleaning([*rows, *_twice_delivered(log, twice)])


def _twice_delivered(log: EventLog, twice: Sequence[tuple[Path, Part]]) -> Iterator[dict[str, Any]]:
    """The row of the cleaning report for files that were delivered twice."""
    if not twice:
        return
    names = ", ".join(path.name for path, _ in twice[:3]) + (", ..." if len(twice) > 3 else "")
    logger.warning(
        "%s: %d files are read once, though delivered twice: %s", log.name, len(twice), names
    )
    n_events, *others = log.counts.values()
    before = n_events + sum(part.n_events for _, part in twice)
    why = f"the same content as another file: {names}"
    yield report_of_counts("files delivered twice", why, (before, *others), (n_events, *others), 0)
