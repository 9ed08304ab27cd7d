"""EventLog: a handle on the events, items and users of a shop, in Parquet or memory, through DuckDB."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from growthlab.core.errors import DataError
from growthlab.data import columns as col

SCHEMA_VERSION = 1


class EventLog:
    """Events of users with items, what is known of the items, and of the users.

    The SQL tables `events` (all columns of `EVENT_COLUMNS`, null where not known), `items` and `users` are
    there for `where`, `derive` and `query`. An order-only log has `position` in place of `timestamp`.
    Timestamps are naive UTC of microseconds. A raw log may hold events without a user, so that cleaning can
    count and drop them; everything after cleaning may rely on `user_id`. Made by `from_frames` and `open`.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: str,
        *,
        name: str,
        columns: frozenset[str],
        items: pd.DataFrame | None,
        users: pd.DataFrame | None,
        cleaning: Iterable[Mapping[str, Any]] = (),
        digest: str | None = None,
    ) -> None:
        self._connection = connection
        self._source = (
            source  # name of the view or table of the shared database that holds the events
        )
        self.name = name
        self.columns = columns
        self.items = items
        self.users = users
        self.cleaning = [dict(row) for row in cleaning]
        self._digest = digest
        self._counts: tuple[int, int, int] | None = None
        connection.execute(f"CREATE TEMP VIEW events AS SELECT * FROM {source}")

    @classmethod
    def from_frames(
        cls,
        events: pd.DataFrame,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,
        *,
        name: str = "log",
        cleaning: Iterable[Mapping[str, Any]] = (),
    ) -> Self:
        """A log in memory from frames with the columns of `EVENT_COLUMNS` (others are refused).

        `user_id`, `event_type` and one of `timestamp` and `position` are required; a user id may be null
        in a raw log. Ids become strings (7 and 7.0 are "7"), aware times UTC, naive times are UTC.
        `users` may hold any attribute beside `user_id`. DataError names the row (from 1) that is at fault.
        """
        frame = _checked_events(events)
        items = None if items is None else _checked_items(items)
        users = None if users is None else _checked_users(users)
        connection = duckdb.connect(":memory:", config=_SETTINGS)
        _create(connection, "events_0", frame, _types(frame))
        _create_side_tables(connection, items, users)
        present = frozenset(c for c in frame.columns if frame[c].notna().any() or c in _ALWAYS)
        return cls(
            connection.cursor(),
            "events_0",
            name=name,
            columns=present,
            items=items,
            users=users,
            cleaning=cleaning,
        )

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """The log that `save` wrote to the folder; events stay in Parquet until they are asked for."""
        folder = Path(folder)
        try:
            about = json.loads((folder / "log.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise DataError(f"{folder} is not a saved log: it has no readable log.json") from None
        if about.get("schema_version") != SCHEMA_VERSION:
            raise DataError(f"{folder} was saved by another version: delete it and prepare again")
        connection = duckdb.connect(":memory:", config=_SETTINGS)
        events = (folder / "events.parquet").as_posix().replace("'", "''")
        try:
            connection.execute(f"CREATE VIEW events_0 AS SELECT * FROM read_parquet('{events}')")
            items, users = (_read_side_table(folder / f"{t}.parquet") for t in ("items", "users"))
        except (OSError, duckdb.Error, pa.ArrowException) as error:
            line = str(error).splitlines()[0]
            raise DataError(
                f"{folder} cannot be read ({line}): delete it and prepare again"
            ) from None
        _create_side_tables(connection, items, users)
        return cls(
            connection.cursor(),
            "events_0",
            name=about["name"],
            columns=frozenset(about["columns"]),
            items=items,
            users=users,
            cleaning=about["cleaning"],
            digest=about["digest"],
        )

    def save(self, folder: str | Path) -> Self:
        """Writes the log beside the folder, then moves it into its place; gives the log read from there."""
        folder = Path(folder)
        beside = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        target = (beside / "events.parquet").as_posix().replace("'", "''")
        self._connection.execute(
            f"COPY (SELECT * FROM events ORDER BY {self._order}) TO '{target}' (FORMAT parquet)"
        )
        for table in ("items", "users"):
            frame = getattr(self, table)
            if frame is not None:
                frame.to_parquet(beside / f"{table}.parquet", index=False)
        about = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "columns": sorted(self.columns),
            "digest": self.digest,
            "cleaning": self.cleaning,
        }
        (beside / "log.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        _replace_folder(beside, folder)
        return self.open(folder)

    @property
    def ordered_by(self) -> Literal["timestamp", "position"]:
        """What orders a user's events: a time, or only a place in their order."""
        return "timestamp" if "timestamp" in self.columns else "position"

    @property
    def n_events(self) -> int:
        """How many events there are."""
        return self._count()[0]

    @property
    def n_users(self) -> int:
        """How many users have an event; events without a user do not count."""
        return self._count()[1]

    @property
    def n_items(self) -> int:
        """How many items have an event."""
        return self._count()[2]

    def span(self) -> tuple[datetime, datetime] | tuple[int, int]:
        """The oldest and newest timestamp (or position); DataError for a log without events."""
        row = self._execute(
            f"SELECT min({self.ordered_by}), max({self.ordered_by}) FROM events"
        ).fetchone()
        if row is None or row[0] is None:
            raise DataError(f"{self.name} has no events")
        return row

    def where(self, condition: str) -> Self:
        """The events for which the SQL condition holds, lazily; items, users and cleaning stay as they are.

        The condition may look at the whole log: ``item_id IN (SELECT item_id FROM events GROUP BY ...)``.
        """
        return self.derive(f"SELECT * FROM events WHERE ({condition})")

    def derive(self, sql: str, *, store: bool = False) -> Self:
        """The log whose events are this query's rows (all columns of `events`), lazily unless `store`."""
        cursor = self._connection.cursor()
        kind = "TABLE" if store else "VIEW"
        name = f"events_{cursor.execute('SELECT nextval($$logs$$)').fetchone()[0]}"  # type: ignore[index]
        # a CTE, not the temporary view, so that the new view does not depend on this log's connection
        shadowed = f"WITH events AS (SELECT * FROM {self._source}) SELECT * FROM ({sql})"
        try:
            cursor.execute(f"CREATE {kind} {name} AS {shadowed}")
        except duckdb.Error as error:
            raise DataError(f"{self.name} cannot be filtered: {_first_line(error)}") from None
        return type(self)(
            cursor,
            name,
            name=self.name,
            columns=self.columns,
            items=self.items,
            users=self.users,
            cleaning=self.cleaning,
        )

    def query(self, sql: str) -> pd.DataFrame:
        """The rows of a SQL query over the tables `events`, `items` and `users`."""
        frame = self._execute(sql).df()
        return _writable(frame)

    def to_pandas(self) -> pd.DataFrame:
        """Events with the columns that are present, sorted by user, time, item and type; free to change."""
        names = ", ".join(c for c in col.EVENT_COLUMNS if c in self.columns)
        return self.query(f"SELECT {names} FROM events ORDER BY {self._order}")

    def require(self, *columns: str, needed_by: str) -> None:
        """DataError when an event column is missing; ``items``, ``users`` and ``items.text`` are asked alike."""
        missing = [c for c in columns if not self._has(c)]
        if missing:
            has = ", ".join(sorted(self.columns))
            raise DataError(
                f"{needed_by} needs {' and '.join(missing)}, which {self.name} does not have: it has {has}"
            )

    @property
    def digest(self) -> str:
        """SHA-256 of events, items and users: independent of row order, machine and the way of storage."""
        if self._digest is None:
            self._digest = _digest(self._connection, self.items, self.users)
        return self._digest

    def __repr__(self) -> str:
        return f"EventLog({self.name!r}, {self.n_events:,} events, {self.n_users:,} users, {self.n_items:,} items)"

    @property
    def _order(self) -> str:
        # every column, so that the order of rows is the same however they were stored
        first = ["user_id", self.ordered_by, "item_id", "event_type"]
        last = [c for c in col.EVENT_COLUMNS if c in self.columns and c not in first]
        return ", ".join([*first, *last])

    def _has(self, column: str) -> bool:
        table, _, field = column.rpartition(".")
        if column in ("items", "users"):
            return getattr(self, column) is not None
        if table in ("items", "users"):
            frame = getattr(self, table)
            return frame is not None and field in frame and bool(frame[field].notna().any())
        return column in self.columns

    def _count(self) -> tuple[int, int, int]:
        if self._counts is None:
            counts = "count(*), count(DISTINCT user_id), count(DISTINCT item_id)"
            row = self._execute(f"SELECT {counts} FROM events").fetchone()
            assert row is not None
            self._counts = row
        return self._counts

    def _execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise DataError(f"{self.name} cannot answer: {_first_line(error)}") from None


_ALWAYS = ("user_id", "event_type")
# extensions would be fetched from the network; everything used here is built in
_SETTINGS: dict[str, str] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _checked_events(events: pd.DataFrame) -> pd.DataFrame:
    col.check_names(events, col.EVENT_COLUMNS, "events")
    for column in _ALWAYS:
        if column not in events:
            raise DataError(
                f"events need the column {column}: they have {', '.join(events.columns)}"
            )
    if "timestamp" not in events and "position" not in events:
        raise DataError("events need a timestamp, or a position for their order")
    if "timestamp" not in events and events["position"].isna().any():
        raise DataError("an event has no position, and there is no timestamp either")
    convert = {"VARCHAR": col.as_ids, "DOUBLE": col.as_numbers, "BIGINT": col.as_numbers}
    out: dict[str, pd.Series] = {}
    for column, kind in col.EVENT_COLUMNS.items():
        if column not in events:
            continue
        values = events[column]
        if column == "event_type":
            out[column] = col.as_event_types(values)
        elif kind == "TIMESTAMP":
            out[column] = col.as_times(values, column, required=column == "timestamp")
        elif kind == "VARCHAR":
            out[column] = convert[kind](values)  # type: ignore[operator]
        else:
            numbers = col.as_numbers(values, column)
            out[column] = numbers.astype("Int64") if kind == "BIGINT" else numbers
    return pd.DataFrame(out)


def _checked_items(items: pd.DataFrame) -> pd.DataFrame:
    col.check_names(items, col.ITEM_COLUMNS, "items")
    frame = _with_unique_ids(items, "item_id")
    for column in frame.columns.intersection(["price"]):
        frame[column] = col.as_numbers(frame[column], column)
    for column in frame.columns.intersection(["available_from"]):
        frame[column] = col.as_times(frame[column], column)
    for column in frame.columns.intersection(["text", "category", "attributes"]):
        frame[column] = frame[column].astype("string").astype(pd.StringDtype(na_value=np.nan))
    return frame


def _checked_users(users: pd.DataFrame) -> pd.DataFrame:
    return _with_unique_ids(users, "user_id")


def _with_unique_ids(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    table = "items" if column == "item_id" else "users"
    if column not in frame:
        raise DataError(f"{table} need the column {column}: they have {', '.join(frame.columns)}")
    frame = frame.reset_index(drop=True)
    frame[column] = col.as_ids(frame[column])
    if frame[column].isna().any():
        raise DataError(
            f"row {int(frame[column].isna().to_numpy().argmax()) + 1}: no {column} in {table}"
        )
    twice = frame[column].duplicated()
    if twice.any():
        raise DataError(
            f"{table} hold {frame[column][twice].iloc[0]!r} more than once: keep one row an id"
        )
    return frame.sort_values(column, ignore_index=True)


def _types(frame: pd.DataFrame) -> dict[str, str]:
    # an order-only log has no timestamp column at all, so that nobody reads nulls as times
    return {
        c: t
        for c, t in col.EVENT_COLUMNS.items()
        if c in frame or c not in ("timestamp", "position")
    }


def _create(
    connection: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame, types: Mapping[str, str]
) -> None:
    selected = ", ".join(
        f'CAST({f"incoming.{c}" if c in frame else "NULL"} AS {t}) AS "{c}"'
        for c, t in types.items()
    )
    connection.register("incoming", pa.Table.from_pandas(frame, preserve_index=False))
    connection.execute(f"CREATE TABLE {table} AS SELECT {selected} FROM incoming")
    connection.unregister("incoming")


def _create_side_tables(
    connection: duckdb.DuckDBPyConnection, items: pd.DataFrame | None, users: pd.DataFrame | None
) -> None:
    connection.execute("CREATE SEQUENCE logs START 1")
    for table, frame in (("items", items), ("users", users)):
        if frame is not None:
            connection.register("incoming", pa.Table.from_pandas(frame, preserve_index=False))
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM incoming")
            connection.unregister("incoming")


def _read_side_table(path: Path) -> pd.DataFrame | None:
    return pd.read_parquet(path) if path.exists() else None


def _replace_folder(beside: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        os.replace(folder, old)
    os.replace(beside, folder)
    shutil.rmtree(old, ignore_errors=True)


def _writable(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.copy(deep=True)


def _digest(
    connection: duckdb.DuckDBPyConnection, items: pd.DataFrame | None, users: pd.DataFrame | None
) -> str:
    """Hash of the hashes of each column, its rows sorted by all columns of its table."""
    total = hashlib.sha256()
    for table, frame in (("events", True), ("items", items), ("users", users)):
        if frame is None:
            continue
        names = sorted(r[0] for r in connection.execute(f"DESCRIBE {table}").fetchall())
        listed = ", ".join(f'"{n}"' for n in names)
        reader = connection.sql(f"SELECT {listed} FROM {table} ORDER BY ALL").to_arrow_reader(
            100_000
        )
        hashes = [_ColumnHash() for _ in names]
        for batch in reader:
            for column_hash, values in zip(hashes, batch.columns, strict=True):
                column_hash.add(values)
        for name, column_hash in zip(names, hashes, strict=True):
            if column_hash.any_value:  # a column that is all null is as good as none
                total.update(f"{table}.{name}:".encode() + column_hash.digest())
    return total.hexdigest()


class _ColumnHash:
    """A hash of one column that does not depend on how its rows are cut into batches."""

    def __init__(self) -> None:
        self.any_value = False
        self._nulls, self._lengths, self._values = (hashlib.sha256() for _ in range(3))

    def add(self, values: pa.Array) -> None:
        known = values.is_valid().to_numpy(zero_copy_only=False)
        self.any_value |= bool(known.any())
        self._nulls.update(known.astype(np.uint8))
        kept = values.drop_null()
        if pa.types.is_timestamp(kept.type):
            self._values.update(
                kept.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy().astype("<i8")
            )
        elif pa.types.is_integer(kept.type) or pa.types.is_boolean(kept.type):
            self._values.update(kept.to_numpy(zero_copy_only=False).astype("<i8"))
        elif pa.types.is_floating(kept.type):
            self._values.update(
                kept.to_numpy(zero_copy_only=False).astype("<f8") + 0.0
            )  # -0.0 is 0.0
        else:
            text = kept.cast(pa.large_string())
            encoded = [s.encode() for s in text.to_pylist()]
            self._lengths.update(np.array([len(s) for s in encoded], dtype="<i8"))
            self._values.update(b"".join(encoded))

    def digest(self) -> bytes:
        return self._nulls.digest() + self._lengths.digest() + self._values.digest()
