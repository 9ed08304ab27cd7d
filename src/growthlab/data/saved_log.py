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
from growthlab.data.kinds import EVENT_COLUMNS
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


def read_saved(folder: Path, connection: duckdb.DuckDBPyConnection, view: str) -> SavedLog:
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
    events = quoted_text((folder / EVENTS).as_posix())
    try:
        connection.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({events})")
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
    connection: duckdb.DuckDBPyConnection, folder: Path, columns: frozenset[str], ordered_by: str
) -> None:
    """Write the table `events`, sorted; columns without a value take no part in the sorting."""
    order = event_order(columns, ordered_by)
    present = ", ".join(c for c in EVENT_COLUMNS if c in columns)
    described = connection.execute("DESCRIBE events").fetchall()
    all_columns = ", ".join(
        f'"{name}"' if name in columns else f'NULL::{kind} AS "{name}"'
        for name, kind, *_ in described
    )
    with order_made_by_query(connection):
        connection.execute(
            f"COPY (SELECT {all_columns} FROM (SELECT {present} FROM events ORDER BY {order})) "
            f"TO {quoted_text((folder / EVENTS).as_posix())} (FORMAT parquet)"
        )


def event_order(columns: frozenset[str], ordered_by: str) -> str:
    """SQL for the order of events: by every column, so that it does not depend on how they were stored."""
    first = ["user_id", ordered_by, "item_id", "event_type"]
    last = [c for c in EVENT_COLUMNS if c in columns and c not in first]
    return ", ".join([*first, *last])


def _read_if_there(path: Path) -> pd.DataFrame | None:
    return pd.read_parquet(path) if path.exists() else None
