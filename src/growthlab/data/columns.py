"""The columns of an event log and of its tables, and single columns of a frame in their types."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from growthlab.core.errors import DataError, near_matches
from growthlab.data.database import database
from growthlab.data.kinds import (
    EVENT_KINDS,
    ITEM_KINDS,
    KNOWN_FROM,
    ORDERS,
    REQUIRED,
    SQL_TYPES,
    Kind,
)
from growthlab.data.readers.frame_table import FrameTable
from growthlab.data.readers.table_file import ROW
from growthlab.data.staging import Staged, ValueFormat, stage

STRINGS = pd.StringDtype(na_value=np.nan)
_LOCAL = threading.local()


def check_events(events: pd.DataFrame) -> None:
    """DataError for a column that events do not have, and for one that they need and is not there."""
    check_names(events, EVENT_KINDS, "events")
    for column in REQUIRED:
        if column not in events:
            raise DataError(f"events need the column {column}: they have {column_names(events)}")
    if not set(ORDERS) & set(events):
        raise DataError("events need a timestamp, or a position where only their order is known")


def checked_items(items: pd.DataFrame) -> pd.DataFrame:
    """Items in the types of `ITEM_KINDS`, sorted by id: one row each, or one a `known_from`."""
    check_names(items, ITEM_KINDS, "items")
    return _with_unique_ids(typed_columns(items, ITEM_KINDS), "item_id", "items")


def checked_users(users: pd.DataFrame) -> pd.DataFrame:
    """Users, sorted by id: one row each, or one a `known_from`; columns of mixed types become strings."""
    known: dict[str, Kind] = {"user_id": "id", KNOWN_FROM: "time"}
    frame = _with_unique_ids(typed_columns(users, known), "user_id", "users")
    for column in frame.columns:
        if pd.api.types.is_object_dtype(frame[column]) or pd.api.types.is_string_dtype(
            frame[column]
        ):
            frame[column] = as_strings(frame[column])
    return frame


def as_strings(values: pd.Series) -> pd.Series:
    """Values as strings, null where missing."""
    if values.dtype == STRINGS:
        return values
    return values.astype("string").astype(STRINGS)


def as_ids(values: pd.Series) -> pd.Series:
    """Ids as strings by the rule of `core/ids.py`; a missing or empty id is null."""
    return _one(values, str(values.name), "id")


def as_labels(values: pd.Series) -> pd.Series:
    """Short texts, tidied as ids are; a missing or empty one is null."""
    return _one(values, str(values.name), "label")


def as_numbers(values: pd.Series, column: str) -> pd.Series:
    """Values as float64, NaN where missing; DataError for one that is not a finite number."""
    return _one(values, column, "number")


def as_times(
    values: pd.Series,
    column: str,
    *,
    unit: str | None = None,
    format: str | None = None,
    timezone: str | None = None,
) -> pd.Series:
    """Values as naive UTC datetimes in microseconds, NaT where missing; see `time_conversion`."""
    given = ValueFormat(unit=unit, timestamp_format=format, timezone=timezone)
    return _one(values, column, "time", given)


def unclear_times(values: pd.Series, column: str, timezone: str, format: str | None = None) -> int:
    """How many local times occurred twice or never."""
    given = ValueFormat(timestamp_format=format, timezone=timezone)
    _, staged = _converted(values.to_frame(column), {column: "time"}, given)
    return staged.n_twice.get(column, 0) + staged.n_never.get(column, 0)


def check_names(frame: pd.DataFrame, possible: Mapping[str, Any], table: str) -> None:
    """DataError for a column that is not among the possible ones."""
    for column in map(str, frame.columns):
        if column not in possible:
            raise DataError(f"{table} have no column {column!r}: {near_matches(column, possible)}")


def column_names(frame: pd.DataFrame) -> str:
    """The names of the columns, for a message."""
    return ", ".join(map(str, frame.columns))


def typed_columns(
    frame: pd.DataFrame, kinds: Mapping[str, Kind], given: ValueFormat | None = None
) -> pd.DataFrame:
    """The frame with these of its columns in the types of their kinds; rows count from 0."""
    frame = frame.reset_index(drop=True)
    known = [str(c) for c in frame if c in kinds]
    if known:
        converted, _ = _converted(frame[known], kinds, given)
        frame = frame.assign(**{c: converted[c] for c in known})
    return frame


def _one(values: pd.Series, column: str, kind: Kind, given: ValueFormat | None = None) -> pd.Series:
    """The values in the type of a kind, with their index and name."""
    converted, _ = _converted(values.to_frame(column), {column: kind}, given)
    return converted[column].set_axis(values.index).rename(str(values.name))


def _converted(
    frame: pd.DataFrame, kinds: Mapping[str, Kind], given: ValueFormat | None = None
) -> tuple[pd.DataFrame, Staged]:
    """The columns in the types of their kinds, and what was repaired."""
    connection, names = _connection(), [str(c) for c in frame]
    with FrameTable.of(frame, connection) as table:
        staged = stage(connection, table, dict.fromkeys(names), kinds, "staged_frame", given)
    columns = ", ".join(f'"{c}"' for c in names)
    rows = connection.sql(f"SELECT {columns} FROM staged_frame ORDER BY {ROW}").to_arrow_table()
    connection.execute("DROP TABLE staged_frame")
    types = {"VARCHAR": STRINGS, "TIMESTAMP": "datetime64[us]", "BIGINT": "Int64"}
    typed = {
        c: rows.column(c).to_pandas().astype(types.get(SQL_TYPES[kinds[c]], "float64"))
        for c in names
    }
    return pd.DataFrame(typed), staged


def _connection() -> duckdb.DuckDBPyConnection:
    """A database in memory for single columns, one a thread."""
    if not hasattr(_LOCAL, "connection"):
        _LOCAL.connection = database()
    connection: duckdb.DuckDBPyConnection = _LOCAL.connection
    return connection


def _with_unique_ids(frame: pd.DataFrame, column: str, table: str) -> pd.DataFrame:
    """The table sorted by id and `known_from`; DataError for a row without them, or two alike."""
    if column not in frame:
        raise DataError(f"{table} need the column {column}: they have {column_names(frame)}")
    key = [column, KNOWN_FROM] if KNOWN_FROM in frame else [column]
    for needed in key:
        _refuse_missing(frame[needed], f"{needed} in {table}")
    twice = frame.duplicated(key)
    if twice.any():
        repeated = frame[column][twice].iloc[0]
        hint = "keep one row per id" if len(key) == 1 else f"keep one row per id and {KNOWN_FROM}"
        when = "" if len(key) == 1 else f" from {frame[KNOWN_FROM][twice].iloc[0]}"
        raise DataError(f"{table} hold {repeated!r} more than once{when}: {hint}")
    return frame.sort_values(key, ignore_index=True)


def _refuse_missing(values: pd.Series, what: str) -> None:
    if values.isna().any():
        row, n = int(values.isna().to_numpy().argmax()) + 1, int(values.isna().sum())
        raise DataError(
            f"row {row}: no {what} ({n:,} of {len(values):,} rows have none): "
            "drop these rows, or map another column"
        )
