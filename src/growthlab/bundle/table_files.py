"""Tables as CSV or Parquet files, some rows at a time, as a batch reads and writes them."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal

import numpy as np

from growthlab.core.csv_text import as_csv_text, quoting_of, raw_text
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.raw_files import beginning_of, kind_of, unpacked
from growthlab.core.table_text import TextFormat, refuse_unclosed, text_format

LONGEST_CELL = 2**31 - 1  # characters; a history may be long
TABLE_NAMES = (".csv", ".tsv", ".parquet", ".pq")  # .csv.gz too
Columns = Mapping[str, np.ndarray | Sequence[str | None]]  # numbers as arrays, texts as they are


def format_of(path: Path) -> str:
    """``csv`` or ``parquet``, by the file's name; ConfigError for another one."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("csv", "parquet"):
        raise ConfigError(f"{path} is neither .csv nor .parquet: give the file such a name")
    return kind


def read_blocks(source: Path, n_rows: int) -> Iterator[tuple[dict[str, list[Any]], int]]:
    """The source as blocks of at most `n_rows` rows: columns and the number of rows.

    The cells of a CSV file are texts, so that ids keep their zeros, and None where they are empty; an
    apostrophe that `write_block` put before a text is taken off.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    read = _parquet_blocks if _is_parquet(source) else _csv_blocks
    try:
        yield from read(source, n_rows)
    except (ValueError, OSError, csv.Error) as error:
        if isinstance(error, (DataError, ConfigError)):
            raise
        raise DataError(f"{source} cannot be read: {str(error).splitlines()[0]}") from error


def _is_parquet(source: Path) -> bool:
    """Whether a table to be read is Parquet, else text; ConfigError where it is neither."""
    suffixes = [suffix.lower() for suffix in source.suffixes]
    kind = kind_of(source) if {*TABLE_NAMES} & {*suffixes} else None
    if kind not in ("parquet", "text"):
        raise ConfigError(f"{source} is neither .csv nor .parquet: save the table as one of them")
    return kind == "parquet"


def n_blocks(source: Path, n_rows: int) -> int | None:
    """How many blocks there are, where the file says so."""
    if not _is_parquet(source):
        return None
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    try:
        return -(-read_metadata(source).num_rows // n_rows)
    except (ArrowException, OSError):
        return None  # reading it will say why


def write_block(path: Path, kind: str, columns: Columns, *, header: bool) -> int:
    """One block as a file of that kind; how many rows it has.

    In a CSV file no text is a formula, see `as_csv_text`; a Parquet file has all texts as they are.
    """
    n_rows = len(next(iter(columns.values())))
    if kind == "parquet":
        import pyarrow as pa
        from pyarrow.parquet import write_table

        arrays = {
            name: pa.array(values, from_pandas=True)
            if isinstance(values, np.ndarray)
            else pa.array(values, pa.large_string())
            for name, values in columns.items()
        }
        write_table(pa.table(arrays), path)
        return n_rows
    cells = [
        _texts(v) if isinstance(v, np.ndarray) else [t and as_csv_text(t) for t in v]
        for v in columns.values()
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        texts = (t for v in columns.values() if not isinstance(v, np.ndarray) for t in v)
        writer = csv.writer(file, lineterminator="\n", quoting=quoting_of(texts))
        if header:
            writer.writerow(map(as_csv_text, columns))
        writer.writerows(zip(*cells, strict=True))
    return n_rows


def join_blocks(parts: Sequence[Path], path: Path, kind: str) -> None:
    """The blocks one behind the other, as one file."""
    if kind == "csv":
        with path.open("wb") as out:
            for part in parts:
                with part.open("rb") as block:
                    shutil.copyfileobj(block, out)
        return
    from pyarrow.parquet import ParquetWriter, read_schema, read_table

    with ParquetWriter(path, read_schema(parts[0])) as writer:
        for part in parts:
            writer.write_table(read_table(part))


def _parquet_blocks(source: Path, n_rows: int) -> Iterator[tuple[dict[str, list[Any]], int]]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(source) as file:
        for batch in file.iter_batches(n_rows):
            yield batch.to_pydict(), batch.num_rows


def _csv_blocks(source: Path, n_rows: int) -> Iterator[tuple[dict[str, list[Any]], int]]:
    """A table of text in any encoding and dialect, packed or not."""
    csv.field_size_limit(LONGEST_CELL)
    try:
        text = text_format(*beginning_of(source))
    except DataError as error:
        raise DataError(f"{source} cannot be read: {error}") from None
    names = [raw_text(name) for name in text.names]
    with unpacked(source) as raw, TextIOWrapper(raw, text.encoding, newline="") as file:
        for _ in range(text.n_skipped):
            file.readline()
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if text.quote else csv.QUOTE_NONE
        reader = csv.reader(file, delimiter=text.separator, quotechar=text.quote, quoting=quoting)
        rows: list[list[str]] = []
        number, last_cell = -(text.header is not None), ""
        for row in filter(None, reader):
            number += 1
            if number > 0:
                rows.append(_checked_row(row, number, text.n_columns, source))
                last_cell = rows[-1][-1]
            if len(rows) == n_rows:
                yield _columns_of(names, rows), len(rows)
                rows = []
        _refuse_unclosed(last_cell, text, source)
        if rows:
            yield _columns_of(names, rows), len(rows)


def _refuse_unclosed(cell: str, text: TextFormat, source: Path) -> None:
    try:
        refuse_unclosed(cell, text)
    except DataError as error:
        raise DataError(f"{source} cannot be read: {error}") from None


def _checked_row(row: list[str], number: int, n_columns: int, source: Path) -> list[str]:
    """A row without the fields that one more separator at its end makes."""
    if len(row) < n_columns or "".join(row[n_columns:]).strip():
        raise DataError(
            f"{source} cannot be read: row {number} has {len(row)} cells, and the header {n_columns}"
        )
    return row[:n_columns]


def _columns_of(names: Sequence[str], rows: list[list[str]]) -> dict[str, list[Any]]:
    """The cells by column, None where they are empty; of columns of the same name the first counts."""
    columns: dict[str, list[Any]] = {}
    for place, name in enumerate(names):
        if name not in columns:
            columns[name] = [raw_text(row[place]) if row[place] else None for row in rows]
    return columns


def _texts(values: np.ndarray) -> list[str]:
    """Numbers as they are written; empty for NaN."""
    texts = values.astype(str)
    if values.dtype.kind == "f":
        texts = np.where(np.isnan(values), "", texts)
    cells: list[str] = texts.tolist()
    return cells
