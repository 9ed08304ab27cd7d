"""The rows of all raw tables of events in the database: stored once, and shown as the events of a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from growthlab.data.kinds import EVENT_COLUMNS, ORDERS, REQUIRED
from growthlab.data.readers.table_file import ROW
from growthlab.data.sql_text import quoted_name

_NUMBER = "file_number"


def add_rows(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    staged: str,
    columns: Sequence[str],
    number: int,
) -> None:
    """Add the `columns` of a staged table to the table `rows`; those of table 0 become it, without a copy."""
    kinds = _columns_of(connection, staged)
    if not number:
        for column in [c for c in kinds if c not in (*columns, ROW)]:
            connection.execute(f"ALTER TABLE {staged} DROP COLUMN {quoted_name(column)}")
        connection.execute(f"ALTER TABLE {staged} RENAME TO {rows}")
        return
    stored = _columns_of(connection, rows)
    if _NUMBER not in stored:
        connection.execute(f"ALTER TABLE {rows} ADD COLUMN {_NUMBER} INTEGER DEFAULT 0")
    for column in [c for c in columns if c not in stored]:
        connection.execute(f"ALTER TABLE {rows} ADD COLUMN {quoted_name(column)} {kinds[column]}")
    names = ", ".join(map(quoted_name, [*columns, ROW]))
    connection.execute(
        f"INSERT INTO {rows} ({names}, {_NUMBER}) SELECT {names}, {number} FROM {staged}"
    )


def show_rows(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    view: str,
    kinds: Mapping[str, str],
    orders: set[str],
) -> frozenset[str]:
    """Show the rows as the events of a log, in a view; the columns of the log.

    `kinds` are all columns of the view and their types. A column that no file has takes no room: it is
    null in the view alone. `orders` are the columns that order a user's events; without one the rows are
    numbered.
    """
    connection.execute(f"CREATE TABLE IF NOT EXISTS {rows} ({ROW} BIGINT)")  # of no table
    columns = [c for c in _columns_of(connection, rows) if c in EVENT_COLUMNS]
    counts = ", ".join(["count(*)", *(f"count({quoted_name(c)})" for c in columns)])
    _, *counted = connection.execute(f"SELECT {counts} FROM {rows}").fetchall()[0]
    filled = {c for c, n in zip(columns, counted, strict=True) if n}
    if not orders:
        _add_position(connection, rows)
        orders = {"position"}
    stored = _columns_of(connection, rows)
    shown = [
        f"{quoted_name(c) if c in stored else 'NULL'}::{kind} AS {quoted_name(c)}"
        for c, kind in kinds.items()
        if c not in ORDERS or c in orders
    ]
    for column in [c for c in (_NUMBER, ROW) if c in stored and columns]:
        connection.execute(f"ALTER TABLE {rows} DROP COLUMN {column}")
    connection.execute(f"CREATE VIEW {view} AS SELECT {', '.join(shown)} FROM {rows}")
    return frozenset({*filled, *orders, *REQUIRED})


def _add_position(connection: duckdb.DuckDBPyConnection, rows: str) -> None:
    """Number the rows of each user as they were read."""
    stored = _columns_of(connection, rows)
    order = ", ".join(c for c in (_NUMBER, ROW, "item_id") if c in stored)
    of_user = "PARTITION BY user_id " if "user_id" in stored else ""
    connection.execute(
        f"CREATE TABLE ordered AS SELECT *, row_number() OVER ({of_user}ORDER BY {order}) - 1 "
        f"AS position FROM {rows} ORDER BY {order}"
    )
    connection.execute(f"DROP TABLE {rows}")
    connection.execute(f"ALTER TABLE ordered RENAME TO {rows}")


def _columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """The columns of a table and their types."""
    return {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}
