"""Several files as tables of one SELECT, whose rows are read as if they stood in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from growthlab.core.errors import ConfigError, DataError, quoted
from growthlab.data.conversions import text_sql
from growthlab.data.database import database
from growthlab.data.file_digests import delivered_once
from growthlab.data.raw_column import RawColumn
from growthlab.data.readers.files import files_of_setting
from growthlab.data.readers.open_table import FileFormat, open_tables
from growthlab.data.readers.table_file import ROW, BadRow, TableFile
from growthlab.data.sql_select import checked_select, lock, run_select
from growthlab.data.sql_text import quoted_name, quoted_text

FILE_NUMBER = "file_number"
RESULT = '"data.sql"'  # no file has that name
ATTACHED = "selected"


class SelectedRows(TableFile):
    """The rows of a SELECT; a row's number is its place among them."""

    remedy = "mend the query"

    def own_relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> str:
        """What stands behind FROM: `ROW`, then the columns at these places as c0, c1, ..."""
        chosen = [f"{quoted_name(self.names[p])} AS c{n}" for n, p in enumerate(places)]
        return f"(SELECT {', '.join([f'rowid + 1 AS {ROW}', *chosen])} FROM {ATTACHED}.{RESULT})"


@dataclass(frozen=True)
class Selection:
    """One SELECT over files by names, of each one or several with `minutes` as the longest time.

    Raises
    ------
    ConfigError
        Names that are none of tables, or a SELECT that may not be run.
    """

    files: Mapping[str, str | Sequence[str]]
    sql: str
    minutes: float

    def __post_init__(self) -> None:
        if not isinstance(self.files, Mapping) or not self.files:
            raise ConfigError(
                f"data.files={quoted(str(self.files))} must say names of files, such as "
                "{orders: orders.csv, lines: lines.csv}"
            )
        names = [str(name) for name in self.files]
        distinct = {name.lower() for name in names}
        for name in names:
            if not name.isidentifier() or len(distinct) < len(names):
                raise ConfigError(
                    f"data.files: {quoted(name)} is no name of a table of its own: take letters, digits "
                    "and _, in a spelling that no other table has"
                )
        if self.minutes <= 0:
            raise ConfigError(f"data.sql_minutes={self.minutes:g} must be more than 0")
        checked_select(self.sql, names)

    def paths(self) -> dict[str, list[Path]]:
        """The files of each table, by name."""
        return {
            name: files_of_setting(given, f"data.files.{name}")
            for name, given in sorted(self.files.items())
        }

    @contextmanager
    def rows(
        self, given: FileFormat, connection: duckdb.DuckDBPyConnection
    ) -> Iterator[SelectedRows]:
        """The rows of the SELECT, as long as the block lasts.

        Each table has the columns of its files, texts as they stand (null where missing), and `FILE_NUMBER`
        and `ROW` from 1. The SELECT runs in a database of its own that is shut off from everything else.

        Raises
        ------
        DataError
            A file that cannot be read, or a SELECT that fails.
        """
        select = checked_select(self.sql, list(self.files))
        with database(on_disk=True) as room:
            bad_rows: list[BadRow] = []
            for name, paths in self.paths().items():
                bad_rows += _load(room, name, delivered_once(paths), given)
            lock(room)
            run_select(room, select, RESULT, self.minutes)
            columns = room.execute(f"DESCRIBE {RESULT}").fetchall()
            (path,) = room.execute(
                "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
            ).fetchall()[0]
        names, types = [row[0] for row in columns], [row[1] for row in columns]
        rows = SelectedRows(Path("data.sql"), names, types, given.max_bad_rows, bad_rows=bad_rows)
        connection.execute(f"ATTACH {quoted_text(path)} AS {ATTACHED} (READ_ONLY)")
        try:
            yield rows
        finally:
            connection.execute(f"DETACH {ATTACHED}")
            Path(path).unlink()


def _load(
    room: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path], given: FileFormat
) -> list[BadRow]:
    """Write the rows of files into a table with all their columns; the rows that cannot be read."""
    tables = [table for path in paths for table in open_tables(path, room, given)]
    columns: dict[str, tuple[str, str]] = {}  # name in small letters -> as written, type
    for table in tables:
        table.unnests = False
        for column, kind in zip(_distinct(table.names), table.types, strict=True):
            written, known = columns.get(column.lower(), (column, kind))
            columns[column.lower()] = (written, kind if kind == known else "VARCHAR")
    own = {FILE_NUMBER: "INTEGER", ROW: "BIGINT"}
    own = {column: kind for column, kind in own.items() if column not in columns}
    typed = [*(columns.values()), *own.items()]
    stored = ", ".join(f"{quoted_name(column)} {kind}" for column, kind in typed)
    room.execute(f"CREATE TABLE {quoted_name(name)} ({stored})")
    for number, table in enumerate(tables, start=1):
        cells = [
            text_sql(RawColumn(n, kind)) if RawColumn(n, kind).is_text else f"c{n}"
            for n, kind in enumerate(table.types)
        ]
        values = {FILE_NUMBER: str(number), ROW: ROW}
        names = ", ".join(map(quoted_name, [*_distinct(table.names), *own]))
        selected = ", ".join([*cells, *(values[column] for column in own)])
        try:
            relation = table.relation(room, range(len(table.names)))
            room.execute(
                f"INSERT INTO {quoted_name(name)} ({names}) SELECT {selected} FROM {relation}"
            )
        except duckdb.Error as error:
            raise table.raised(error) from None
        if not table.names:
            raise DataError(f"{table.path} has no columns")
    return [bad for table in tables for bad in table.bad_rows]


def _distinct(names: Sequence[str]) -> list[str]:
    """The names of columns as SQL tells them apart: a second `price` is `price_1`."""
    taken: set[str] = set()
    distinct = []
    for place, name in enumerate(names, start=1):
        base = name or f"column_{place}"
        choice, n = base, 0
        while choice.lower() in taken:
            n += 1
            choice = f"{base}_{n}"
        taken.add(choice.lower())
        distinct.append(choice)
    return distinct
