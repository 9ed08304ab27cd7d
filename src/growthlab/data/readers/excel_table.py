"""Sheets of Excel workbooks."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from growthlab.core.errors import DataError, near_matches
from growthlab.core.ids import tidy_text
from growthlab.data.readers.table_file import BATCH_ROWS, ROW, TableFile


@dataclass
class ExcelTable(TableFile):
    """A sheet: its first row that is not empty names the columns, and its cells are texts."""

    sheet: str = field(kw_only=True)
    was_named: bool = field(kw_only=True)

    @classmethod
    def open(cls, path: Path, sheet: str | None) -> Self:
        """The sheet of that name, or the only one that holds anything; DataError says which there are."""
        book = _workbook(path)
        try:
            names = list(book.sheetnames)
            if sheet is not None and sheet not in names:
                hint = near_matches(sheet, names)
                raise DataError(f"{path.name} has no sheet {sheet!r} (data.sheet): {hint}")
            chosen = [sheet] if sheet else [n for n in names if _header(book[n])]
            if len(chosen) != 1:
                listed = ", ".join(chosen or names)
                raise DataError(
                    f"{path.name} holds {len(chosen)} sheets with rows ({listed}): "
                    "say which with data.sheet=NAME, or several that are one log with a list"
                )
            header = _header(book[chosen[0]])
            if not header:
                raise DataError(f"{path.name}: the sheet {chosen[0]} is empty")
            columns = [tidy_text(_text(cell) or "") for cell in header]
            types = ["VARCHAR"] * len(columns)
            return cls(path, columns, types, sheet=chosen[0], was_named=sheet is not None)
        finally:
            book.close()

    @property
    def title(self) -> str:
        """See `TableFile.title`: with the sheet, where somebody chose it."""
        return f"{super().title}, sheet {self.sheet}" if self.was_named else super().title

    def own_relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> str:
        """What stands behind FROM: `ROW`, then the columns at these places as c0, c1, ..."""
        return self.stream(connection, self._batches(places), len(places))

    def _batches(self, places: Sequence[int]) -> Iterator[pa.RecordBatch]:
        book = _workbook(self.path)
        names = [ROW, *(f"c{n}" for n in range(len(places)))]
        try:
            block: list[tuple[int, list[str | None]]] = []
            for number, cells in enumerate(_rows(book[self.sheet])):
                if number and any(cell is not None for cell in cells):
                    texts = [_text(cells[p]) if p < len(cells) else None for p in places]
                    block.append((number, texts))
                if len(block) == BATCH_ROWS:
                    yield _batch(block, names)
                    block = []
            if block:
                yield _batch(block, names)
        finally:
            book.close()


def sheets_with_rows(path: Path) -> list[str]:
    """The sheets of a workbook that hold anything, in their order."""
    book = _workbook(path)
    try:
        return [name for name in book.sheetnames if _header(book[name])]
    finally:
        book.close()


def _batch(block: Sequence[tuple[int, list[str | None]]], names: list[str]) -> pa.RecordBatch:
    numbers = pa.array([number for number, _ in block], pa.int64())
    columns = [
        pa.array([texts[n] for _, texts in block], pa.string()) for n in range(len(names) - 1)
    ]
    return pa.RecordBatch.from_arrays([numbers, *columns], names)


def _workbook(path: Path) -> Any:
    import openpyxl

    try:
        return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} cannot be read as an Excel workbook: {reason}") from None


def _rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The rows from the header on."""
    started = False
    for cells in sheet.iter_rows(values_only=True):
        started = started or any(cell is not None for cell in cells)
        if started:
            yield cells


def _header(sheet: Any) -> tuple[Any, ...] | None:
    return next(_rows(sheet), None) if hasattr(sheet, "iter_rows") else None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return str(value)
