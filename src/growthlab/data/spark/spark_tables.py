"""A connection to tables on Spark, with the methods of DuckDB's that a log uses."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.spark.spark_session import spark_errors, start_session
from growthlab.data.spark.spark_sql import SparkStatement, spark_statement

SETTINGS = {  # of the SQL alone: others of the session stay as they are
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # what DuckDB would refuse or Spark would make null is an error
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
}
PARTITIONS = "spark.sql.shuffle.partitions"
PARTITIONS_A_CORE = 4
_FEWEST = 4  # so that a small log is not cut into hundreds of tasks


def connect_to_spark(master: str, memory_gb: float | None, said: str) -> SparkConnection:
    """A connection without tables, on the session of this process or a new one.

    Raises
    ------
    ConfigError
        There is no such cluster, or this process works with another one.
    """
    settings = {} if memory_gb is None else {"spark.driver.memory": f"{round(memory_gb * 1024)}m"}
    with spark_errors(said, ConfigError, other=(RuntimeError,)):
        first = start_session(master, settings)
        spark = first.newSession()
        running = str(first.sparkContext.master)
        if master and running != master:
            raise ConfigError(
                f"{said}: this process has a session on {running} already, and a process has one"
            )
        for name, value in SETTINGS.items():
            spark.conf.set(name, value)
        if running.startswith("local") and not first.sparkContext.getConf().contains(PARTITIONS):
            cores = first.sparkContext.defaultParallelism
            spark.conf.set(PARTITIONS, str(max(_FEWEST, cores * PARTITIONS_A_CORE)))
    return SparkConnection(_Tables(spark, said))


@dataclass(frozen=True)
class _Tables:
    """What all connections to one set of tables share."""

    spark: SparkSession
    said: str  # the settings that ask for Spark
    columns: dict[str, list[str]] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)

    def errors(self) -> AbstractContextManager[None]:
        """Spark's errors in the block become a `DataError`."""
        return spark_errors(self.said, DataError)

    def keep(self, name: str, rows: DataFrame) -> None:
        """Call rows by a name."""
        rows.createOrReplaceTempView(name)
        self.columns[name] = list(rows.columns)

    def drop(self, name: str) -> None:
        """Forget a name."""
        self.spark.catalog.dropTempView(name)
        self.columns.pop(name, None)


class SparkConnection:
    """Statements of DuckDB's SQL on Spark; the tables are shared with the `cursor`s of a connection.

    A view is evaluated when it is read, a stored table when it is read first; rows that are fetched are
    in the memory of this process, so fetch those of customers or items, not of events.

    Raises
    ------
    DataError
        By all methods: a statement does not run on Spark, or Spark has failed.
    """

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables
        self._own: dict[str, str] = {}  # names that this connection alone knows -> stored tables

    def execute(self, query: str, /) -> SparkRows:
        """See `SqlConnection.execute`."""
        tables = self._tables
        statement = spark_statement(query, self._columns(), self._own)
        with tables.errors():
            if statement.action == "drop":
                tables.drop(self._own.pop(statement.name, statement.name))
                return SparkRows(tables)
            rows = tables.spark.sql(statement.sql)
            if statement.action != "rows":
                self._keep(statement, rows)
                return SparkRows(tables)
        return SparkRows(tables, rows)

    def sql(self, query: str, /) -> SparkRows:
        """See `SqlConnection.sql`."""
        return self.execute(query)

    def register(self, view_name: str, python_object: object, /) -> None:
        """See `SqlConnection.register`."""
        table = python_object
        if isinstance(table, pd.DataFrame):
            table = pa.Table.from_pandas(table, preserve_index=False)
        assert isinstance(table, pa.Table)
        with self._tables.errors():
            rows = self._tables.spark.createDataFrame(_plain_types(table))
            self._keep(SparkStatement("view", name=view_name, own=True), rows)

    def unregister(self, view_name: str, /) -> None:
        """See `SqlConnection.unregister`."""
        self._tables.drop(self._own.pop(view_name))

    def cursor(self) -> SparkConnection:
        """See `SqlConnection.cursor`."""
        return SparkConnection(self._tables)

    def close(self) -> None:
        """Forget this connection's own names; the session goes on, as others may use it."""
        self._own.clear()

    def write_folder(self, query: str, folder: Path) -> None:
        """See `WritesFolders.write_folder`."""
        statement = spark_statement(query, self._columns(), self._own)
        with self._tables.errors():
            self._tables.spark.sql(statement.sql).write.parquet(folder.resolve().as_uri())
        folder.chmod(0o700)
        for path in folder.iterdir():
            if path.suffix == ".parquet" and not path.name.startswith("."):
                path.chmod(0o600)
            else:
                path.unlink()  # marks and checksums of Hadoop

    def _columns(self) -> dict[str, list[str]]:
        return self._tables.columns

    def _keep(self, statement: SparkStatement, rows: DataFrame) -> None:
        name = statement.name
        if statement.own:
            name = f"{name}_of_{next(self._tables.numbers)}"
            self._own[statement.name] = name
        self._tables.keep(name, rows.persist() if statement.action == "table" else rows)


class SparkRows:
    """The rows of a statement, fetched when somebody asks."""

    def __init__(self, tables: _Tables, rows: DataFrame | None = None) -> None:
        self._tables = tables
        self._rows = rows

    def to_arrow_table(self) -> pa.Table:
        """See `ArrowRows.to_arrow_table`: times without a zone, decimals as float64."""
        if self._rows is None:
            return pa.table({})
        with self._tables.errors():
            table = self._rows.toArrow()
        return table.cast(pa.schema([_as_duckdb(f) for f in table.schema]))

    def df(self) -> pd.DataFrame:
        """See `QueryRows.df`."""
        frame: pd.DataFrame = self.to_arrow_table().to_pandas()
        return frame

    def fetchall(self) -> list[Any]:
        """See `QueryRows.fetchall`."""
        columns = [column.to_pylist() for column in self.to_arrow_table().columns]
        return list(zip(*columns, strict=True))


def _as_duckdb(column: pa.Field) -> pa.Field:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.with_type(pa.timestamp("us"))
    return column.with_type(pa.float64()) if pa.types.is_decimal(kind) else column


def _plain_types(table: pa.Table) -> pa.Table:
    """The table in the types that Spark takes from Arrow."""

    def plain(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_null(kind) or pa.types.is_large_string(kind):
            return pa.string()
        if pa.types.is_timestamp(kind):
            return pa.timestamp("us", kind.tz)
        return {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64()}.get(
            kind, kind
        )

    return table.cast(pa.schema([f.with_type(plain(f.type)) for f in table.schema]))
