"""The first rows of a table, and what its columns hold as far as they show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from growthlab.core.errors import DataError
from growthlab.core.plain_values import INTERPOLATION
from growthlab.core.raw_files import kind_of
from growthlab.data.conversions import text_sql
from growthlab.data.database import database
from growthlab.data.raw_column import RawColumn
from growthlab.data.readers.delimited_table import DelimitedTable
from growthlab.data.readers.excel_table import ExcelTable, sheets_with_rows
from growthlab.data.readers.open_table import FileFormat, open_table, open_tables
from growthlab.data.readers.table_file import TableFile

ROWS = 2_000
MOST_WORDS = 500  # distinct ones of a column that can be event types


@dataclass(frozen=True)
class SampledColumn:
    """A column: its name, its type in DuckDB, and its cells as texts, None where one is missing.

    `in_list` says that it lies in a list of JSON objects, so that a row has several values.
    """

    name: str
    type: str
    cells: tuple[str | None, ...]
    in_list: bool = False

    @property
    def known(self) -> list[str]:
        """The cells that hold something."""
        return [cell for cell in self.cells if cell is not None and cell.strip()]

    @property
    def filled(self) -> float:
        """The share of cells that hold something."""
        return len(self.known) / max(len(self.cells), 1)

    @property
    def distinct(self) -> list[str]:
        """The different cells, in the order in which they come."""
        return list(dict.fromkeys(self.known))

    @property
    def is_text(self) -> bool:
        """Whether the file holds texts here."""
        return RawColumn(0, self.type).is_text

    @property
    def is_time(self) -> bool:
        """Whether the file holds times here, by their type."""
        return self.type.startswith(("TIMESTAMP", "DATE"))


@dataclass(frozen=True)
class TableSample:
    """The first rows of the files of one table, which have the same columns."""

    paths: tuple[str, ...]  # as they were typed
    files: tuple[Path, ...]
    format: FileFormat
    described: str  # how the first is written
    columns: tuple[SampledColumn, ...]
    other_sheets: tuple[str, ...] = ()  # of the same workbook, which are not read

    def column(self, name: str) -> SampledColumn:
        """The column of that name."""
        return next(c for c in self.columns if c.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(c.name for c in self.columns)

    def beside(self, one: str, other: str) -> list[tuple[str | None, str | None]]:
        """The cells of two columns in the first rows, a row for each element of a list."""
        with database() as connection:
            table = open_tables(self.files[0], connection, self.format)[0]
            table.max_bad_rows = 2**31
            places = [table.place_of(one, one), table.place_of(other, other)]
            first, second = (
                c.cells for c in _read(connection, table, places, in_list=True).values()
            )
        return list(zip(first, second, strict=True))

    def words(self, name: str) -> dict[str, int]:
        """How often each word stands in a column of all files; only the first `MOST_WORDS`."""
        rows = self._counted(name, f"GROUP BY word ORDER BY 2 DESC, 1 LIMIT {MOST_WORDS}")
        return {word: n for word, n in rows if word is not None}

    def has_missing(self, name: str) -> bool:
        """Whether a cell of the column holds nothing."""
        return bool(self._counted(name, "WHERE word IS NULL GROUP BY word"))

    def has_negative(self, name: str) -> bool:
        """Whether a cell of the column begins with a minus sign."""
        return bool(self._counted(name, "WHERE starts_with(trim(word), '-') GROUP BY word LIMIT 1"))

    def _counted(self, name: str, condition: str) -> list[tuple[str | None, int]]:
        """Words of a column of all files with their numbers, the most frequent first."""
        counts: Counter[str | None] = Counter()
        for file in self.files:
            with database() as connection:
                for table in open_tables(file, connection, self.format):
                    table.unnests = False
                    table.max_bad_rows = 2**31
                    place = table.place_of(name, name)
                    text = f"CAST({text_sql(RawColumn(0, table.types[place]))} AS VARCHAR)"
                    words = f"(SELECT {text} AS word FROM {{}})"
                    select = f"SELECT word, count(*) FROM {words} {condition}"
                    counts.update(dict(_fetched(connection, table, [place], select)))
        return counts.most_common(MOST_WORDS)


def samples_of(path: str, files: Sequence[Path]) -> list[TableSample]:
    """The first rows of the files that a path names: a sample for all that have the same columns.

    A workbook of several sheets with rows has a sample a sheet.

    Raises
    ------
    DataError
        A file cannot be read, or has no rows.
    """
    groups: dict[tuple[str, ...], list[Path]] = {}
    sheets = sheets_with_rows(files[0]) if kind_of(files[0]) == "excel" else []
    if len(files) == 1 and len(sheets) > 1:
        return [
            _sampled([path], files, sheet, tuple(other for other in sheets if other != sheet))
            for sheet in sheets
        ]
    for file in files:
        with database() as connection:
            names = open_table(file, connection).names
        groups.setdefault(tuple(names), []).append(file)
    if len(groups) == 1:
        return [_sampled([path], files)]
    return [_sampled(list(map(str, group)), group) for group in groups.values()]


def _sampled(
    paths: Sequence[str],
    files: Sequence[Path],
    sheet: str | None = None,
    other_sheets: tuple[str, ...] = (),
) -> TableSample:
    given = FileFormat(sheet=sheet)
    with database() as connection:
        table = open_table(files[0], connection, given)
        table.max_bad_rows = 2**31
        columns = _columns(connection, table)
    if sheet is None and (not columns or not columns[0].cells):
        raise DataError(f"{files[0]} has no rows below its header")
    described = _described(table)
    return TableSample(tuple(paths), tuple(files), given, described, columns, other_sheets)


def _described(table: TableFile) -> str:
    if isinstance(table, DelimitedTable):
        return table.text.described()
    if isinstance(table, ExcelTable):
        return f"Excel, sheet {table.sheet}"
    return {"json": "JSON objects", "parquet": "Parquet"}.get(kind_of(table.path), "")


def _columns(connection: duckdb.DuckDBPyConnection, table: TableFile) -> tuple[SampledColumn, ...]:
    """The columns whose name stands for one alone, and can stand in a config."""
    count = Counter(table.names)
    names = [name if count[name] == 1 and INTERPOLATION not in name else "" for name in table.names]
    places = [place for place, name in enumerate(names) if name]
    table.unnests = False
    columns = _read(connection, table, places, in_list=False)
    table.unnests = True
    lists: dict[str, list[int]] = {}
    for place in places:
        path = _list_around(table.names[place], columns, table)
        if path:
            lists.setdefault(path, []).append(place)
    for inside in lists.values():
        columns |= _read(connection, table, inside, in_list=True)
    return tuple(columns[place] for place in places)


def _read(
    connection: duckdb.DuckDBPyConnection, table: TableFile, places: Sequence[int], *, in_list: bool
) -> dict[int, SampledColumn]:
    """The first rows of the columns at these places."""
    texts = [text_sql(RawColumn(n, table.types[p])) for n, p in enumerate(places)]
    cells = [f"CAST({text} AS VARCHAR)" for text in texts]
    rows = _fetched(connection, table, places, f"SELECT {', '.join(cells)} FROM {{}} LIMIT {ROWS}")
    return {
        place: SampledColumn(
            table.names[place], table.types[place], tuple(r[n] for r in rows), in_list
        )
        for n, place in enumerate(places)
    }


def _fetched(
    connection: duckdb.DuckDBPyConnection, table: TableFile, places: Sequence[int], select: str
) -> list[tuple[Any, ...]]:
    """The rows of a SELECT over columns of the table, whose relation is put in place of ``{}``."""
    if not places:
        return []
    try:
        relation = table.relation(connection, places)
        return connection.execute(select.replace("{}", relation)).fetchall()
    except duckdb.Error as error:
        raise table.raised(error) from None


def _list_around(name: str, columns: dict[int, SampledColumn], table: TableFile) -> str | None:
    """The path of the list of JSON objects that a column lies in, if it lies in one."""
    parts = name.split(".")
    for n in range(1, len(parts)):
        path = ".".join(parts[:n])
        if path in table.names:
            outer = columns[list(table.names).index(path)]
            own = columns[list(table.names).index(name)]
            if not own.known and any(cell.startswith("[") for cell in outer.known):
                return path
    return None
