"""What runs the SQL of a log: DuckDB in this process, or an engine that takes the same statements."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import duckdb
import pandas as pd
import pyarrow as pa

from growthlab.core.errors import ConfigError


class QueryRows(Protocol):
    """The rows of a query."""

    def fetchall(self) -> list[Any]:
        """All rows as tuples."""
        ...

    def df(self) -> pd.DataFrame:
        """All rows as a frame."""
        ...


class ArrowRows(Protocol):
    """The rows of a query, outside Python."""

    def to_arrow_table(self) -> pa.Table:
        """All rows."""
        ...


class SqlConnection(Protocol):
    """What a log asks of a connection: DuckDB's own has these methods."""

    def execute(self, query: str, /) -> QueryRows:
        """Run one statement of DuckDB's SQL."""
        ...

    def sql(self, query: str, /) -> ArrowRows:
        """The rows of a query."""
        ...

    def register(self, view_name: str, python_object: object, /) -> object:
        """Call a frame or an Arrow table so in statements of this connection."""
        ...

    def unregister(self, view_name: str, /) -> object:
        """Forget a registered table."""
        ...

    def cursor(self) -> SqlConnection:
        """Another connection to the same tables, with temporary views of its own."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


@runtime_checkable
class WritesFolders(Protocol):
    """A connection to an engine that writes a table as a folder of Parquet files, whatever its size."""

    def write_folder(self, query: str, folder: Path) -> None:
        """Write the rows of a query, in their order, into files whose names have the same order."""
        ...


@runtime_checkable
class SqlEngine(Protocol):
    """Where the SQL of a prepared log runs; the rows are the same everywhere."""

    def connect(self) -> SqlConnection:
        """A connection without tables."""
        ...


def store_frame(connection: SqlConnection, table: str, frame: pd.DataFrame | pa.Table) -> None:
    """Write a frame into a new table."""
    if isinstance(frame, pd.DataFrame):
        frame = pa.Table.from_pandas(frame, preserve_index=False)
    connection.register("incoming", frame)
    connection.execute(f"CREATE TABLE {table} AS SELECT * FROM incoming")
    connection.unregister("incoming")


def in_duckdb(connection: SqlConnection) -> duckdb.DuckDBPyConnection:
    """The connection, of which something is asked that DuckDB alone does."""
    if isinstance(connection, duckdb.DuckDBPyConnection):
        return connection
    raise ConfigError("data.engine=duckdb is needed for this: another engine cannot do it")
