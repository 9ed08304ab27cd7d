"""Tables of JSON objects, one a line or in one list: each path such as ``user.id`` is a column."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Self

import duckdb
import pyarrow as pa

from growthlab.core.errors import DataError
from growthlab.core.raw_files import BEGINNING, unpacked
from growthlab.data.readers.nested_values import found_at, paths_in, rows_of
from growthlab.data.readers.table_file import BATCH_ROWS, ROW, TableFile

ROWS_LOOKED_AT = 1_000  # to learn the names of columns
LONGEST_LINE = 64 << 20
LARGEST_LIST = 256 << 20


class JsonTable(TableFile):
    """A file of JSON objects; numbers are texts exactly as they are written.

    A column within a list (``items.sku``) or of a list gives a row for each element, unless `unnests` is
    False: then a list is one text, and columns within it are empty.
    """

    @classmethod
    def open(cls, path: Path) -> Self:
        """The table with the paths of the first objects as columns."""
        names: dict[str, None] = {}
        with unpacked(path) as raw:
            for _, value in islice(_objects(raw, path), ROWS_LOOKED_AT):
                names.update(dict.fromkeys(paths_in(value)))
        return cls(path, list(names), ["VARCHAR"] * len(names))

    def own_relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> str:
        """What stands behind FROM: `ROW`, then the columns at these places as c0, c1, ..."""
        paths = [self.names[place].split(".") for place in places]
        return self.stream(connection, self._batches(paths), len(paths))

    def _batches(self, paths: Sequence[Sequence[str]]) -> Iterator[pa.RecordBatch]:
        names = [ROW, *(f"c{n}" for n in range(len(paths)))]
        with unpacked(self.path) as raw:
            rows = self._rows(raw, paths)
            while block := list(islice(rows, BATCH_ROWS)):
                columns = [
                    pa.array([_text(cells[place]) for _, cells in block], pa.string())
                    for place in range(len(paths))
                ]
                numbers = pa.array([number for number, _ in block], pa.int64())
                yield pa.RecordBatch.from_arrays([numbers, *columns], names)

    def _rows(
        self, raw: BinaryIO, paths: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Sequence[Any]]]:
        """The cells at these paths, with the number of their object."""
        for number, value in _objects(raw, self.path):
            cells = [found_at(value, path, unnests=self.unnests) for path in paths]
            try:
                for row in rows_of(cells):
                    yield number, row
            except DataError as error:
                raise DataError(f"{self.path.name}: row {number}: {error}") from None


def _objects(raw: BinaryIO, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each object with its number from 1."""
    first = raw.read(BEGINNING)
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        text = first + raw.read(LARGEST_LIST)
        if len(text) > LARGEST_LIST:
            raise DataError(
                f"{path.name}: a list of more than {LARGEST_LIST >> 20} MiB: save an object a line"
            )
        values = _loaded(text, path, 1)
        numbered: Iterator[tuple[int, Any]] = enumerate(values, start=1)
    else:
        numbered = ((n, _loaded(line, path, n)) for n, line in _lines(first, raw))
    for number, value in numbered:
        if not isinstance(value, dict):
            raise DataError(f"{path.name}: row {number}: it is no JSON object")
        yield number, value


def _lines(first: bytes, raw: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line that is not empty, with its number from 1."""
    rest, number = b"", 0
    block = first
    while block or rest:
        *lines, rest = (rest + block).split(b"\n") if block else (rest, b"")
        for line in lines:
            number += 1
            if line.strip():
                yield number, line
        if len(rest) > LONGEST_LINE:
            raise DataError(f"line {number + 1} is longer than {LONGEST_LINE >> 20} MiB")
        block = raw.read(BEGINNING)


def _loaded(text: bytes, path: Path, number: int) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"), parse_float=_Literal, parse_int=_Literal)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path.name}: row {number}: it is no JSON ({reason})") from None


class _Literal(str):
    """A number as it is written in the file."""


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)
