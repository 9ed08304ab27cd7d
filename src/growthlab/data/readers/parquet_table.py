"""Tables in Parquet files, read by DuckDB with the types that they have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import duckdb

from growthlab.core.errors import DataError
from growthlab.data.readers.table_file import ROW, TableFile
from growthlab.data.sql_text import quoted_name, quoted_text


class ParquetTable(TableFile):
    """A Parquet file; texts that its writer did not mark as such are texts too."""

    @classmethod
    def open(cls, path: Path, connection: duckdb.DuckDBPyConnection) -> Self:
        """The table with the names and types of its columns; DataError where it is damaged."""
        try:
            described = connection.execute(f"DESCRIBE SELECT * FROM {_scan(path)}").fetchall()
        except duckdb.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise DataError(f"{path} cannot be read: {reason}") from None
        columns = [row for row in described if row[0] != "file_row_number"]
        return cls(path, [row[0] for row in columns], [row[1] for row in columns])

    def own_relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> str:
        """What stands behind FROM: `ROW`, then the columns at these places as c0, c1, ..."""
        chosen = [f"{quoted_name(self.names[p])} AS c{n}" for n, p in enumerate(places)]
        columns = ", ".join([f"file_row_number + 1 AS {ROW}", *chosen])
        return f"(SELECT {columns} FROM {_scan(self.path)})"


def path_pattern(path: Path) -> str:
    """The pattern that means this file alone: [ ] * ? in its name stand for themselves."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path.as_posix())


def _scan(path: Path) -> str:
    return (
        f"read_parquet({quoted_text(path_pattern(path))}, binary_as_string = true, "
        "file_row_number = true, hive_partitioning = false)"
    )
