"""Tables of text (CSV and the like), packed or not, in any encoding: read by Arrow as a stream."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from growthlab.core.errors import DataError
from growthlab.core.raw_files import unpacked
from growthlab.core.table_text import TextFormat, refuse_unclosed
from growthlab.data.readers.table_file import BATCH_ROWS, ROW, TableFile

BLOCK_BYTES = 8 << 20
SHOWN = 60  # letters of a row in a message


@dataclass
class DelimitedTable(TableFile):
    """A table of text; all columns are VARCHAR."""

    text: TextFormat = field(kw_only=True)

    def own_relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> str:
        """What stands behind FROM: `ROW`, then the columns at these places as c0, c1, ..."""
        return self.stream(connection, self._batches(places), len(places))

    def _batches(self, places: Sequence[int]) -> Iterator[pa.RecordBatch]:
        rows = _IrregularRows(self)
        columns = [str(n) for n in range(self.text.n_columns + self.text.ends_in_separator)]
        wanted = [str(place) for place in places]
        last_column, last_cell = str(self.text.n_columns - 1), None
        next_row = 1
        with unpacked(self.path) as raw, self._failures(rows):
            stream = _utf8(raw, self.text.encoding)
            reader = arrow_csv.open_csv(
                stream,
                self._read_options(columns),
                self._parse_options(rows),
                _texts([*dict.fromkeys([*wanted, last_column])]),
            )
            for batch in reader:
                if rows.failure is not None:
                    raise rows.failure
                numbers, next_row = rows.numbers_from(next_row, batch.num_rows)
                arrays = [batch.column(c) for c in wanted]
                if batch.num_rows:
                    last_cell = batch.column(last_column)[-1].as_py()
                yield _batch([pa.array(numbers), *arrays])
                yield from rows.repaired_batches(places)
            refuse_unclosed(last_cell, self.text)
        yield from rows.repaired_batches(places)

    @contextmanager
    def _failures(self, rows: _IrregularRows) -> Iterator[None]:
        """What Arrow says of a file in the words of a person; a file that ends behind its header is empty."""
        not_encoded = (
            f"{self.path} is not encoded in {self.text.encoding}: give its encoding, such as "
            "data.encoding=cp1252"
        )
        try:
            yield
        except UnicodeDecodeError:
            raise DataError(not_encoded) from None
        except pa.ArrowInvalid as error:
            if rows.failure is not None:
                raise rows.failure from None
            if "invalid UTF8" in str(error):
                raise DataError(not_encoded) from None
            if "Empty CSV" not in str(error):
                raise

    def _read_options(self, columns: list[str]) -> arrow_csv.ReadOptions:
        skipped = self.text.n_skipped + (self.text.header is not None)
        return arrow_csv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, column_names=columns, skip_rows=skipped
        )

    def _parse_options(self, rows: _IrregularRows) -> arrow_csv.ParseOptions:
        return arrow_csv.ParseOptions(
            delimiter=self.text.separator,
            quote_char=self.text.quote or False,
            newlines_in_values=True,
            invalid_row_handler=rows.handle,
        )


class _IrregularRows:
    """The rows with another number of fields than the others: what they lack is known only at the end."""

    def __init__(self, table: DelimitedTable) -> None:
        self._table = table
        self._first = table.text.n_skipped + (table.text.header is not None)
        self._numbers: list[int] = []
        self._repaired: list[tuple[int, list[str]]] = []
        self.failure: DataError | None = None

    def handle(self, row: arrow_csv.InvalidRow) -> str:
        number = row.number - self._first
        self._numbers.append(number)
        n, text = self._table.text.n_columns, self._table.text
        cells = next(
            csv.reader([row.text], delimiter=text.separator, quotechar=text.quote or '"'), []
        )
        if len(cells) == n or (len(cells) > n and not "".join(cells[n:]).strip()):
            self._repaired.append((number, cells[:n]))  # ends in more or fewer separators
            return "skip"
        shown = row.text if len(row.text) <= SHOWN else f"{row.text[:SHOWN]}..."
        why = f"{len(cells)} fields in {shown!r} where the header has {n}"
        if text.header is None:
            why = f"{len(cells)} fields in {shown!r} where the first row has {n}"
        try:
            self._table.refuse_row(number, why)
        except DataError as error:
            self.failure = error
            return "error"
        return "skip"

    def numbers_from(self, first: int, n_rows: int) -> tuple[np.ndarray, int]:
        """The numbers of the next `n_rows` regular rows, and the number behind them."""
        numbers = np.arange(first, first + n_rows + len(self._numbers), dtype=np.int64)
        numbers = numbers[~np.isin(numbers, self._numbers)][:n_rows]
        behind = int(numbers[-1]) + 1 if n_rows else first
        self._numbers = [n for n in self._numbers if n >= behind]
        return numbers, behind

    def repaired_batches(self, places: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """The repaired rows since the last call, each with its number."""
        for start in range(0, len(self._repaired), BATCH_ROWS):
            part = self._repaired[start : start + BATCH_ROWS]
            columns = [pa.array([cells[p] for _, cells in part], pa.string()) for p in places]
            yield _batch([pa.array([number for number, _ in part], pa.int64()), *columns])
        self._repaired.clear()


def _batch(arrays: Sequence[pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(arrays, [ROW, *(f"c{n}" for n in range(len(arrays) - 1))])


def _utf8(raw: object, encoding: str) -> pa.NativeFile:
    stream = pa.PythonFile(raw, mode="r")
    if encoding in ("utf-8", "utf-8-sig", "utf8", "ascii"):
        return stream
    return pa.transcoding_input_stream(stream, encoding, "utf-8")


def _texts(wanted: Sequence[str]) -> arrow_csv.ConvertOptions:
    return arrow_csv.ConvertOptions(
        column_types={column: pa.string() for column in wanted},
        include_columns=list(wanted),
        strings_can_be_null=False,
    )
