"""A log in a folder: its events in Parquet, sorted by customer, its tables, and what is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from growthlab.core.errors import DataError, first_line
from growthlab.data.database import order_made_by_query
from growthlab.data.event_sql import event_order
from growthlab.data.kinds import EVENT_COLUMNS
from growthlab.data.sql_engine import SqlConnection, WritesFolders, in_duckdb
from growthlab.data.sql_text import quoted_text

SCHEMA_VERSION = 1
EVENTS = "events.parquet"


@dataclass(frozen=True)
class SavedLog:
    """What stands beside the events of a log.

    `borders` are the user ids at which its parts begin, but for the first; `counts` the numbers of
    events, users and items, None where they were not counted; `key_fingerprint` and `currency` those of
    `EventLog`.
    """

    name: str
    columns: frozenset[str]
    digest: str
    cleaning: Sequence[Mapping[str, Any]]
    items: pd.DataFrame | None = field(repr=False)
    users: pd.DataFrame | None = field(repr=False)
    borders: tuple[str, ...] = ()
    counts: tuple[int, int, int] | None = None
    key_fingerprint: str | None = None
    currency: str | None = None

    def write(self, folder: Path) -> None:
        """Write everything but the events."""
        for table, frame in (("items", self.items), ("users", self.users)):
            if frame is not None:
                frame.to_parquet(folder / f"{table}.parquet", index=False)
        about = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "columns": sorted(self.columns),
            "digest": self.digest,
            "cleaning": self.cleaning,
            "borders": self.borders,
            "counts": self.counts,
            "key_fingerprint": self.key_fingerprint,
            "currency": self.currency,
        }
        (folder / "log.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def events_in(folder: Path) -> str:
    """SQL for the table of the events in a folder: one file, or one of several that an engine wrote."""
    path = folder / EVENTS
    return (
        f"read_parquet({quoted_text((path / '*.parquet' if path.is_dir() else path).as_posix())})"
    )


def read_saved(folder: Path, connection: SqlConnection, view: str) -> SavedLog:
    """What `SavedLog.write` wrote; the events become a view, and stay in Parquet until queried.

    Raises
    ------
    DataError
        It is no saved log, one of another format, or a damaged one.
    """
    try:
        about = json.loads((folder / "log.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(f"{folder} is not a saved log: no readable log.json in it") from None
    if about.pop("schema_version", None) != SCHEMA_VERSION:
        raise DataError(f"{folder} has another format version: delete it and prepare again")
    try:
        connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {events_in(folder)}")
        items, users = (_read_if_there(folder / f"{t}.parquet") for t in ("items", "users"))
    except (OSError, duckdb.Error, pa.ArrowException) as error:
        raise DataError(
            f"{folder} is damaged ({first_line(error)}): delete it and prepare again"
        ) from None
    counts = about.pop("counts", None)
    return SavedLog(
        columns=frozenset(about.pop("columns")),
        borders=tuple(about.pop("borders", ())),
        counts=None if counts is None else tuple(counts),
        items=items,
        users=users,
        **about,
    )


def write_events(
    connection: SqlConnection, folder: Path, columns: frozenset[str], ordered_by: str
) -> None:
    """Write the table `events`, sorted; columns without a value take no part in the sorting."""
    order = event_order(columns, ordered_by)
    if isinstance(connection, WritesFolders):
        connection.write_folder(f"SELECT * FROM events ORDER BY {order}", folder / EVENTS)
        return
    present = ", ".join(c for c in EVENT_COLUMNS if c in columns)
    described = connection.execute("DESCRIBE events").fetchall()
    all_columns = ", ".join(
        f'"{name}"' if name in columns else f'NULL::{kind} AS "{name}"'
        for name, kind, *_ in described
    )
    with order_made_by_query(in_duckdb(connection)):
        connection.execute(
            f"COPY (SELECT {all_columns} FROM (SELECT {present} FROM events ORDER BY {order})) "
            f"TO {quoted_text((folder / EVENTS).as_posix())} (FORMAT parquet)"
        )


def _read_if_there(path: Path) -> pd.DataFrame | None:
    return pd.read_parquet(path) if path.exists() else None
