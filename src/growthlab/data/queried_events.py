"""The events of a log as tables that SQL is run on, by whatever engine."""

from __future__ import annotations

import atexit
from typing import Any
from weakref import WeakSet

import duckdb
import pandas as pd
import pyarrow as pa

from growthlab.core.errors import DataError, first_line
from growthlab.data.counted_events import CountedEvents
from growthlab.data.event_sql import event_order
from growthlab.data.kinds import EVENT_COLUMNS
from growthlab.data.sql_engine import QueryRows, SqlConnection


class QueriedEvents(CountedEvents):
    """Events that are asked by SQL over the tables `events`, `items` and `users`."""

    _connection: SqlConnection  # this log's own, on the shared tables
    _tables: dict[str, str]  # events, items, users -> the name of the stored table

    def query(self, sql: str) -> pd.DataFrame:
        """The rows of a SQL query over `events`, `items` and `users`, as a frame of its own."""
        return self._execute(sql).df().copy()

    def arrow(self, sql: str) -> pa.Table:
        """As `query`, without pandas: texts stay outside Python."""
        try:
            return self._connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise DataError(f"{self.name} cannot answer: {first_line(error)}") from None

    def to_pandas(self) -> pd.DataFrame:
        """The events with the columns of the log, sorted by user, time, item and type."""
        present = ", ".join(c for c in EVENT_COLUMNS if c in self.columns)
        return self.query(
            f"SELECT {present} FROM events ORDER BY {event_order(self.columns, self.ordered_by)}"
        )

    @property
    def stored_events(self) -> str:
        """See `CountedEvents.stored_events`."""
        return self._tables["events"]

    def _fetch_one(self, sql: str) -> tuple[Any, ...]:
        # fetchall, because DuckDB keeps the connection busy until the last row is fetched
        row: tuple[Any, ...] = self._execute(sql).fetchall()[0]
        return row

    def _execute(self, sql: str) -> QueryRows:
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise DataError(f"{self.name} cannot answer: {first_line(error)}") from None


_OPEN: WeakSet[QueriedEvents] = WeakSet()


def close_at_exit(log: QueriedEvents) -> None:
    """Close the log's connection when the process ends, so that DuckDB deletes its temporary files."""
    _OPEN.add(log)


@atexit.register
def _close_all() -> None:
    for log in list(_OPEN):
        log._connection.close()
