"""A table in a file: its columns, and its rows as a relation of DuckDB that is read once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import duckdb
import pyarrow as pa

from growthlab.core.errors import DataError, near_matches
from growthlab.data.readers.folder_values import folder_values
from growthlab.data.sql_text import quoted_text

ROW = "file_row"  # the column of row numbers, from 1 below the header
BATCH_ROWS = 50_000


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read: its number in the file, from 1 below the header, and why."""

    row: int
    why: str


@dataclass
class TableFile(ABC):
    """A file that holds a table.

    `names` are its columns in their order, not always distinct; `types` the type in DuckDB of each, which
    is VARCHAR in a file of text. `bad_rows` are filled while the rows are read: those that do not have
    the number of fields of the others. With more than `max_bad_rows` of them reading ends in a DataError.
    The file's folders may say more, see `folder_values`; its own columns go before.
    With `unnests` a row whose columns lie in a list becomes as many rows, all of its number.
    """

    remedy: ClassVar[str] = "mend the file"

    path: Path
    names: Sequence[str]
    types: Sequence[str]
    max_bad_rows: int = 0
    may_be_empty: bool = False
    unnests: bool = True
    bad_rows: list[BadRow] = field(default_factory=list)
    failure: DataError | None = None

    def __post_init__(self) -> None:
        known = {name.lower() for name in self.names}
        said = {n: v for n, v in folder_values(self.path).items() if n.lower() not in known}
        self._said = list(said.values())
        self.names = [*self.names, *said]
        self.types = [*self.types, *("VARCHAR" for _ in said)]

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.path.name

    @abstractmethod
    def own_relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> str:
        """`relation` of columns of the file itself."""

    def relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> str:
        """What stands behind FROM: `ROW`, then the columns at these places as c0, c1, ..."""
        n_own = len(self.names) - len(self._said)
        own = [place for place in places if place < n_own]
        rows = self.own_relation(connection, own)
        if len(own) == len(places):
            return rows
        cells = iter(f"c{n}" for n in range(len(own)))
        columns = [next(cells) if p < n_own else _constant(self._said[p - n_own]) for p in places]
        chosen = ", ".join([ROW, *(f"{column} AS c{n}" for n, column in enumerate(columns))])
        return f"(SELECT {chosen} FROM {rows})"

    def place_of(self, name: str, ours: str) -> int:
        """The place of a column; DataError where the file has none of that name, or several."""
        count = Counter(self.names)
        if not count[name]:
            possible = [n for n in dict.fromkeys(self.names) if n]
            hint = near_matches(name, possible)
            raise DataError(f"{self.title} has no column {name!r} (for {ours}): {hint}")
        if count[name] > 1:
            raise DataError(
                f"{self.title} has {count[name]} columns called {name!r} (for {ours}): rename all but one"
            )
        return list(self.names).index(name)

    def raised(self, error: Exception) -> DataError:
        """What a person is told of an error of DuckDB's: where reading failed, the reason of that."""
        if self.failure is not None:
            return self.failure
        return DataError(f"{self.path} cannot be read: {str(error).strip().splitlines()[0]}")

    def stream(
        self,
        connection: duckdb.DuckDBPyConnection,
        batches: Iterator[pa.RecordBatch],
        n_columns: int,
    ) -> str:
        """Batches of text columns as a relation; an error in them is kept in `failure`."""
        fields = [(ROW, pa.int64()), *((f"c{n}", pa.string()) for n in range(n_columns))]
        schema = pa.schema(fields)

        def guarded() -> Iterator[pa.RecordBatch]:
            try:
                yield from batches
            except DataError as error:
                self.failure = error
                raise
            except (OSError, ValueError, pa.ArrowException) as error:
                self.failure = DataError(
                    f"{self.path} cannot be read: {str(error).strip().splitlines()[0]}"
                )
                raise

        name = f"rows_{id(self)}"
        connection.register(name, pa.RecordBatchReader.from_batches(schema, guarded()))
        return name

    def refuse_row(self, row: int, why: str) -> None:
        """Note a row that cannot be read; DataError if there are more of them than may be."""
        self.bad_rows.append(BadRow(row, why))
        if len(self.bad_rows) <= self.max_bad_rows:
            return
        if not self.title:
            raise DataError(f"row {row}: {why}")
        many = f" (and {len(self.bad_rows) - 1:,} before it)" if len(self.bad_rows) > 1 else ""
        raise DataError(
            f"{self.title}: row {row}: {why}{many}: {self.remedy}, or leave out up to so many "
            f"rows with data.max_bad_rows={10 * len(self.bad_rows)}"
        )


def _constant(value: str | None) -> str:
    return "CAST(NULL AS VARCHAR)" if value is None else quoted_text(value)
