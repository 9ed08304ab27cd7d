"""EventLog: the events, items and users of a shop, in memory or Parquet, queried with DuckDB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import duckdb
import pandas as pd
import pyarrow as pa

from growthlab.core.atomic_write import atomic_folder
from growthlab.core.errors import DataError, first_line
from growthlab.core.pseudonyms import NAMES_IN_DATA, PseudonymKey
from growthlab.data.calendar import UTC_CALENDAR, Calendar
from growthlab.data.columns import check_events, checked_items, checked_users
from growthlab.data.database import (
    DUCKDB,
    database,
    next_number,
    order_made_by_query,
    scratch_path,
)
from growthlab.data.digest import content_digest
from growthlab.data.parts import EVENTS_A_PART, part_borders, part_conditions
from growthlab.data.privacy import KeptIds, write_pseudonyms
from growthlab.data.queried_events import QueriedEvents, close_at_exit
from growthlab.data.read_events import EventReading, read_events
from growthlab.data.readers.frame_table import FrameTable
from growthlab.data.readers.table_file import TableFile
from growthlab.data.saved_log import SavedLog, events_in, read_saved, write_events
from growthlab.data.sql_engine import (
    SqlConnection,
    SqlEngine,
    WritesFolders,
    in_duckdb,
    store_frame,
)
from growthlab.data.sql_text import quoted_text


class EventLog(QueriedEvents):
    """Events of users with items, and tables of the items and users.

    `where`, `derive` and `query` work on the SQL tables `events` (all columns of `EVENT_COLUMNS`,
    null where unknown), `items` and `users`. `columns` are the columns of events that are not all
    null. An order-only log has `position` instead of `timestamp`; timestamps are naive UTC, in
    microseconds. A purchase with a `cancelled_at` was valid until then: a split keeps it in a past
    that ends before that time, and nowhere else. A raw log may hold events without a user, which
    the first rule of cleaning counts and drops; later code may rely on `user_id`. Items and users
    have several rows an id where `known_from` says since when each was known; `data/as_of.py`
    chooses among them. User ids are raw, or pseudonyms by the key of `key_fingerprint`.
    All prices are in one `currency`, None where the data names none; times are by the clocks of `calendar`.
    Create logs with `from_frames` and `open`; derived logs share the database of the first.
    """

    def __init__(
        self,
        connection: SqlConnection,
        tables: Mapping[str, str],
        *,
        name: str,
        columns: frozenset[str],
        items: pd.DataFrame | None,
        users: pd.DataFrame | None,
        cleaning: Iterable[Mapping[str, Any]] = (),
        digest: str | None = None,
        borders: tuple[str, ...] = (),
        key_fingerprint: str | None = None,
        currency: str | None = None,
        calendar: Calendar = UTC_CALENDAR,
    ) -> None:
        self._connection, self._tables = connection, dict(tables)
        self.name = name
        self.columns = columns
        self.items = items
        self.users = users
        self.cleaning = [dict(row) for row in cleaning]
        self.borders = borders  # the user ids at which `parts` begin
        self.key_fingerprint = key_fingerprint
        self.currency = currency
        self.calendar = calendar
        self._digest = digest
        for table, stored in self._tables.items():
            connection.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM {stored}")
        close_at_exit(self)

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
        """A log in memory, from frames with columns of `EVENT_KINDS` and `ITEM_KINDS` only.

        Events need `user_id`, `event_type` and one of `timestamp` and `position`; a user id may be
        null in a raw log. Ids become strings (7 and 7.0 become "7"), times UTC (naive ones are
        taken as UTC). `users` may have any columns. DataError names the wrong row (from 1).
        """
        check_events(events)
        connection = database()
        with FrameTable.of(events, connection) as table:
            return cls.from_tables(
                [table],
                dict.fromkeys(map(str, events)),
                EventReading(),
                items,
                users,
                name=name,
                cleaning=cleaning,
                connection=connection,
            )

    @classmethod
    def from_tables(
        cls,
        tables: Sequence[TableFile],
        columns: Mapping[str, str | None],
        reading: EventReading,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,
        *,
        name: str,
        connection: duckdb.DuckDBPyConnection,
        cleaning: Iterable[Mapping[str, Any]] = (),
    ) -> Self:
        """A log of the rows of raw tables, read through `connection`; see `read_events`."""
        read = read_events(connection, tables, columns, reading, "events_0")
        return cls._over(
            connection,
            None if items is None else checked_items(items),
            None if users is None else checked_users(users),
            name=name,
            columns=read.columns,
            cleaning=[*cleaning, *read.cleaning],
            currency=read.currency,
        )

    @classmethod
    def open(cls, folder: str | Path, engine: SqlEngine = DUCKDB) -> Self:
        """The log that `save` wrote to the folder; its events stay in Parquet until queried."""
        connection = engine.connect()
        saved = read_saved(Path(folder), connection, "events_0")
        log = cls._over(
            connection,
            saved.items,
            saved.users,
            name=saved.name,
            columns=saved.columns,
            cleaning=saved.cleaning,
            digest=saved.digest,
            borders=saved.borders,
            key_fingerprint=saved.key_fingerprint,
            currency=saved.currency,
        )
        log._counts = saved.counts
        return log

    def save(self, folder: str | Path) -> Self:
        """Write the log to the folder, replacing what is there in one step; return the log opened there.

        A DataError where it cannot be written, as on a full disk: nothing half-written stays.
        """
        folder = Path(folder)
        try:
            with atomic_folder(folder) as new:
                write_events(self._connection, new, self.columns, self.ordered_by)
                self._in_duckdb(new)._saved(events_in(new)).write(new)
        except (OSError, duckdb.IOException) as error:
            raise DataError(f"{folder} cannot be written: {first_line(error)}") from error
        return self.open(folder)

    def _in_duckdb(self, folder: Path) -> Self:
        """The log; one of another engine as DuckDB reads the events that were written to a folder."""
        if not isinstance(self._connection, WritesFolders):
            return self
        return self.over(database(), events_in(folder))

    def on(self, engine: SqlEngine) -> Self:
        """The same log on another engine, which gets the events as a file."""
        path = quoted_text(scratch_path("events.parquet").as_posix())
        self._connection.execute(f"COPY (SELECT * FROM events) TO {path} (FORMAT parquet)")
        return self.over(engine.connect(), f"read_parquet({path})")

    def over(self, connection: SqlConnection, events: str) -> Self:
        """The same log with its events in another place: a table in SQL that the connection reads."""
        connection.execute(f"CREATE VIEW events_0 AS SELECT * FROM {events}")
        kept = ("name", "columns", "cleaning", "key_fingerprint", "currency", "calendar")
        settings = {name: getattr(self, name) for name in kept}
        log = self._over(connection, self.items, self.users, **settings)
        log._counts, log._value = self._counts, self._value
        return log

    def _saved(self, events: str) -> SavedLog:
        """What stands beside the events, which are read from where they were written."""
        n_parts = -(-self.n_events // EVENTS_A_PART)
        return SavedLog(
            name=self.name,
            columns=self.columns,
            digest=self._digest or self._digest_of(events),
            cleaning=self.cleaning,
            items=self.items,
            users=self.users,
            key_fingerprint=self.key_fingerprint,
            currency=self.currency,
            borders=self.borders or part_borders(in_duckdb(self._connection), n_parts, events),
            counts=self._count(),
        )

    def where(self, condition: str) -> Self:
        """The log with the events for which the SQL condition holds, evaluated lazily.

        The condition may query the whole log: ``item_id IN (SELECT item_id FROM events ...)``.
        """
        log = self.derive(f"SELECT * FROM events WHERE ({condition})")
        log._wider, log._lost = self, f"SELECT * FROM events WHERE NOT coalesce({condition}, false)"
        return log

    def parts(self) -> list[Self]:
        """The log cut by customer, in the order of user ids: each part has all events of its customers.

        What is computed a customer can be computed part by part, so that one of them is in memory at a
        time. A small log is one part; `in_parts` says otherwise.
        """
        if not self.borders:
            return [self]
        return [self.where(condition) for condition in part_conditions(self.borders)]

    def in_parts(self, n: int) -> Self:
        """The same log, cut into about so many `parts`."""
        log = self.with_cleaning(self.cleaning)
        log.borders = part_borders(in_duckdb(self._connection), n)
        return log

    def derive(
        self,
        sql: str,
        tables: Mapping[str, pd.DataFrame | pa.Table | EventLog] | None = None,
        *,
        store: bool = False,
        fills: Iterable[str] = (),
        clears: Iterable[str] = (),
    ) -> Self:
        """The log whose events are the rows of a query over its tables, with all columns of `events`.

        Evaluated lazily, unless `store` is true. The query may use more `tables`, which are stored, or the
        events of logs derived from this one. `fills` names columns that the rows have values for and this
        log has not, `clears` the other way round.
        """
        cursor = self._connection.cursor()
        name = f"events_{next_number()}"
        kind = "TABLE" if store else "VIEW"
        # the stored tables, as no other connection can see this log's temporary views
        stored = dict(self._tables)
        for table, rows in (tables or {}).items():
            stored[table] = f"{name}_{table}"
            if isinstance(rows, EventLog):
                stored[table] = rows.stored_events
            else:
                store_frame(cursor, stored[table], rows)
        own = ", ".join(f"{t} AS (SELECT * FROM {where})" for t, where in stored.items())
        try:
            cursor.execute(f"CREATE {kind} {name} AS WITH {own} SELECT * FROM ({sql})")
        except duckdb.Error as error:
            raise DataError(f"{self.name} cannot be filtered: {first_line(error)}") from None
        log = self._with(cursor, {**self._tables, "events": name})
        log.columns = (self.columns | frozenset(fills)) - frozenset(clears)
        return log

    def with_items(self, items: pd.DataFrame | None) -> Self:
        """The same events with another table of items."""
        return self.with_tables(items, self.users)

    def with_tables(self, items: pd.DataFrame | None, users: pd.DataFrame | None) -> Self:
        """The same events with other tables of items and users."""
        return self.with_rows(
            items if items is self.items or items is None else checked_items(items),
            users if users is self.users or users is None else checked_users(users),
        )

    def with_rows(self, items: pd.DataFrame | None, users: pd.DataFrame | None) -> Self:
        """The same events with tables that need no check, such as rows of its own."""
        cursor, tables = self._connection.cursor(), dict(self._tables)
        for table, frame, own in (("items", items, self.items), ("users", users, self.users)):
            if frame is None:
                tables.pop(table, None)
            elif frame is not own:
                tables[table] = f"{table}_{next_number()}"
                store_frame(cursor, tables[table], frame)
        log = self._with(cursor, tables)
        log.items, log.users = items, users
        return log

    def with_cleaning(self, rows: Iterable[Mapping[str, Any]]) -> Self:
        """The same log with another cleaning report."""
        log = self._with(self._connection.cursor(), self._tables)
        log.cleaning = [dict(row) for row in rows]
        log._digest = self._digest
        log._counts, log._n_events, log._value = self._counts, self._n_events, self._value
        return log

    def with_pseudonyms(self, key: PseudonymKey, kept: KeptIds | None = None) -> Self:
        """The same log with keyed pseudonyms for user ids, evaluated lazily; the raw ones go to `kept`.

        Raises
        ------
        ConfigError
            The raw ids cannot be kept.
        """
        stored = [self._tables[t] for t in ("events", "users") if t in self._tables]
        renamed, pairs = self._with_pseudonyms_of("user_id", NAMES_IN_DATA, key, stored)
        if kept is not None:
            kept.add(in_duckdb(renamed._connection), pairs)
        if self.users is not None:
            names = key.pseudonyms(NAMES_IN_DATA, self.users["user_id"])
            renamed = renamed.with_tables(self.items, self.users.assign(user_id=names))
        renamed.key_fingerprint, renamed.borders = key.fingerprint, ()
        renamed._counts, renamed._value = self._count(), self._value  # as many names as before
        return renamed

    def with_hashed(self, column: str, key: PseudonymKey) -> Self:
        """The same log with a keyed pseudonym for each text in a column of events, evaluated lazily."""
        stored = [self._tables["events"]]
        return self._with_pseudonyms_of(column, f"column/{column}", key, stored)[0]

    def _with_pseudonyms_of(
        self, column: str, namespace: str, key: PseudonymKey, tables: Sequence[str]
    ) -> tuple[Self, str]:
        """The log with pseudonyms in a column of events, and the table of texts and pseudonyms."""
        cursor = in_duckdb(self._connection).cursor()
        pairs = f"pseudonyms_{next_number()}"
        write_pseudonyms(cursor, key, namespace, column, tables, pairs)
        log = self.derive(
            f"SELECT events.* REPLACE ({pairs}.pseudonym AS {column}) "
            f"FROM events LEFT JOIN {pairs} ON {pairs}.{column} = events.{column}"
        )
        return log, pairs

    @property
    def digest(self) -> str:
        """SHA-256 of the content of events, items and users (not of the name or the report)."""
        if self._digest is None and isinstance(self._connection, WritesFolders):
            folder = scratch_path("log")
            folder.mkdir(0o700)
            write_events(self._connection, folder, self.columns, self.ordered_by)
            self._digest = self._in_duckdb(folder).digest
        elif self._digest is None:
            self._digest = self._digest_of("events")
        return self._digest

    def _digest_of(self, events: str) -> str:
        """The digest of this log, whose events are read from another table."""
        tables = {table: table for table in sorted(self._tables)} | {"events": events}
        connection = in_duckdb(self._connection)
        with order_made_by_query(connection):
            return content_digest(connection, tables)

    @classmethod
    def _over(
        cls,
        connection: SqlConnection,
        items: pd.DataFrame | None,
        users: pd.DataFrame | None,
        **settings: Any,
    ) -> Self:
        tables = {"events": "events_0"}
        for table, frame in (("items", items), ("users", users)):
            if frame is not None:
                tables[table] = f"{table}_0"
                store_frame(connection, tables[table], frame)
        return cls(connection.cursor(), tables, items=items, users=users, **settings)

    def _with(self, cursor: SqlConnection, tables: Mapping[str, str]) -> Self:
        return type(self)(
            cursor,
            tables,
            name=self.name,
            columns=self.columns,
            items=self.items,
            users=self.users,
            cleaning=self.cleaning,
            borders=self.borders,
            key_fingerprint=self.key_fingerprint,
            currency=self.currency,
            calendar=self.calendar,
        )
