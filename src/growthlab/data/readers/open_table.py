"""The table in a file of any kind."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.raw_files import beginning_of, kind_of
from growthlab.core.table_text import text_format
from growthlab.data.readers.delimited_table import DelimitedTable
from growthlab.data.readers.excel_table import ExcelTable
from growthlab.data.readers.json_table import JsonTable
from growthlab.data.readers.parquet_table import ParquetTable
from growthlab.data.readers.table_file import TableFile

logger = logging.getLogger(__name__)

EXAMPLES = {"separator": "; or a tab", "quote": '" or none'}


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """What is said of how files are written; null: as it is found out from each file's beginning.

    `header` says whether the first row names the columns, `skip_lines` how many lines stand before
    it, `quote` the sign around fields (``none`` for no such sign), `sheet` that of a workbook, or several
    of them that are one table.
    """

    separator: str | None = None
    encoding: str | None = None
    quote: str | None = None
    header: bool | None = None
    skip_lines: int | None = None
    sheet: str | Sequence[str] | None = None
    max_bad_rows: int = 0

    def __post_init__(self) -> None:
        for name, possible in (("separator", ()), ("quote", ("none",))):
            sign = getattr(self, name)
            if sign is not None and len(sign) != 1 and sign not in possible:
                raise ConfigError(
                    f"data.{name}={sign!r} must be one sign, such as {EXAMPLES[name]}"
                )
        for name in ("skip_lines", "max_bad_rows"):
            number = getattr(self, name)
            if number is not None and number < 0:
                raise ConfigError(f"data.{name}={number} must be 0 or more")
        if len(set(self.sheets)) < len(self.sheets):
            raise ConfigError(f"data.sheet={list(self.sheets)} names a sheet twice")

    @property
    def sheets(self) -> tuple[str, ...]:
        """The sheets that are set: none, one, or several."""
        if self.sheet is None or isinstance(self.sheet, str):
            return () if self.sheet is None else (self.sheet,)
        return tuple(map(str, self.sheet))


def open_tables(
    path: Path, connection: duckdb.DuckDBPyConnection, given: FileFormat
) -> list[TableFile]:
    """As `open_table`, with a table for each of the sheets that are set."""
    if len(given.sheets) < 2 or kind_of(path) != "excel":
        return [open_table(path, connection, given)]
    return [open_table(path, connection, replace(given, sheet=sheet)) for sheet in given.sheets]


def open_table(
    path: Path, connection: duckdb.DuckDBPyConnection, given: FileFormat | None = None
) -> TableFile:
    """The table that a file holds, by its content and not by its name.

    Raises
    ------
    DataError
        It holds none that can be read; the line says what it holds, and what to do.
    """
    given = given or FileFormat()
    kind = kind_of(path)
    table: TableFile
    if kind == "parquet":
        table = ParquetTable.open(path, connection)
    elif kind == "excel":
        table = ExcelTable.open(path, given.sheets[0] if given.sheets else None)
    elif kind == "json":
        table = JsonTable.open(path)
    else:
        table = _delimited_table(path, given)
    table.max_bad_rows = given.max_bad_rows
    return table


def _delimited_table(path: Path, given: FileFormat) -> DelimitedTable:
    beginning, is_whole = beginning_of(path)
    separator = given.separator or ("\t" if ".tsv" in path.suffixes else None)
    quote = {None: '"', "none": None}.get(given.quote, given.quote)
    try:
        text = text_format(
            beginning,
            is_whole,
            encoding=given.encoding,
            separator=separator,
            quote=quote,
            header=given.header,
            n_skipped=given.skip_lines,
        )
    except DataError as error:
        reason = str(error)
        if reason.startswith("not encoded"):
            raise DataError(f"{path} is {reason}") from None
        if reason.startswith("there is no encoding"):
            raise
        raise DataError(f"{path} cannot be read: {reason}") from None
    usual = replace(text, encoding="utf-8-sig", separator=",", header=text.names)
    if text != usual:
        logger.info("%s: read as %s", path.name, text.described())
    return DelimitedTable(path, text.names, ["VARCHAR"] * text.n_columns, text=text)
