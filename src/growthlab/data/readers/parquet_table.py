"""Tables in Parquet files, read by DuckDB with the types that they have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb

from growthlab.core.errors import DataError
from growthlab.data.readers.nested_values import PAIR
from growthlab.data.readers.table_file import ROW, TableFile
from growthlab.data.sql_text import quoted_name, quoted_text

ELEMENT = '"the element"'
PAIR_ROWS = 100_000  # of a list of keys and values, in which its keys are looked for
MOST_KEYS = 1_000


@dataclass(frozen=True)
class NestedColumn:
    """A column, or a field of one: SQL of the cell, of which `items` is the list that it lies in, if any."""

    name: str
    cell: str
    type: str
    items: str | None = None


@dataclass
class ParquetTable(TableFile):
    """A Parquet file; texts that its writer did not mark as such are texts too.

    Fields of structures are columns such as ``user.id``. One of the structures in a list, such as
    ``items.sku``, gives a row for each element, unless `unnests` is False: then it is empty. A list of keys
    and values, such as GA4's ``event_params``, has a column a key of the first `PAIR_ROWS` rows.
    """

    columns: Sequence[NestedColumn] = field(kw_only=True)

    @classmethod
    def open(cls, path: Path, connection: duckdb.DuckDBPyConnection) -> Self:
        """The table with the names and types of its columns; DataError where it is damaged."""
        try:
            rows = connection.sql(f"SELECT * EXCLUDE file_row_number FROM {_scan(path)} LIMIT 0")
        except duckdb.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise DataError(f"{path} cannot be read: {reason}") from None
        top = zip(rows.columns, rows.types, strict=True)
        columns: list[NestedColumn] = []
        for name, kind in top:
            if _holds_pairs(kind):
                columns += _with_keys(name, kind, _keys(name, path, connection))
            else:
                columns += _with_fields(name, quoted_name(name), kind)
        return cls(path, [c.name for c in columns], [c.type for c in columns], columns=columns)

    def own_relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> str:
        """What stands behind FROM: `ROW`, then the columns at these places as c0, c1, ..."""
        columns = [self.columns[place] for place in places]
        lists = {column.items for column in columns if column.items is not None}
        rows = _scan(self.path)
        if self.unnests and lists:
            if len(lists) > 1:
                raise DataError(
                    f"the columns lie in several lists ({' and '.join(sorted(lists))}) that do not go "
                    "together: map columns of one of them, or choose by data.files and data.sql"
                )
            (items,) = lists
            filled = f"CASE WHEN len({items}) > 0 THEN {items} ELSE [NULL] END"
            rows = f"(SELECT *, unnest({filled}) AS {ELEMENT} FROM {rows})"
        cells = [
            f"CAST(NULL AS {c.type})" if c.items is not None and not self.unnests else c.cell
            for c in columns
        ]
        chosen = [f"{cell} AS c{n}" for n, cell in enumerate(cells)]
        return f"(SELECT {', '.join([f'file_row_number + 1 AS {ROW}', *chosen])} FROM {rows})"


def _holds_pairs(kind: Any) -> bool:
    """Whether cells of a type are lists of keys and values."""
    if kind.id != "list" or kind.children[0][1].id != "struct":
        return False
    fields = dict(kind.children[0][1].children)
    return fields.keys() >= PAIR and str(fields["key"]) == "VARCHAR"


def _keys(name: str, path: Path, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The keys in the first rows of a column of keys and values."""
    pairs = f"SELECT unnest({quoted_name(name)}) AS pair FROM {_scan(path)} LIMIT {PAIR_ROWS}"
    found = f"SELECT DISTINCT pair.key FROM ({pairs}) WHERE pair.key IS NOT NULL ORDER BY 1"
    return [str(key) for (key,) in connection.execute(f"{found} LIMIT {MOST_KEYS}").fetchall()]


def _with_keys(name: str, kind: Any, keys: Sequence[str]) -> Iterator[NestedColumn]:
    """A column of keys and values, and one for each of the keys: its first value."""
    yield NestedColumn(name, quoted_name(name), str(kind))
    value = dict(kind.children[0][1].children)["value"]
    for key in keys:
        pairs = f"list_filter({quoted_name(name)}, lambda pair: pair.key = {quoted_text(key)})"
        cell, type_ = f"({pairs})[1].value", str(value)
        if value.id == "struct":  # one field for each type of values
            fields = [
                f"CAST({cell}.{quoted_name(field)} AS VARCHAR)" for field, _ in value.children
            ]
            cell, type_ = f"coalesce({', '.join(fields)})", "VARCHAR"
        yield NestedColumn(f"{name}.{key}", cell, type_)


def _with_fields(
    name: str, cell: str, kind: Any, items: str | None = None
) -> Iterator[NestedColumn]:
    """A column and all fields below it; those of lists within lists are left out."""
    yield NestedColumn(name, cell, str(kind), items)
    if kind.id == "list" and items is None and kind.children[0][1].id == "struct":
        kind, items, cell = kind.children[0][1], cell, ELEMENT
    if kind.id == "struct":
        for inner, inner_kind in kind.children:
            yield from _with_fields(
                f"{name}.{inner}", f"{cell}.{quoted_name(inner)}", inner_kind, items
            )


def path_pattern(path: Path) -> str:
    """The pattern that means this file alone: [ ] * ? in its name stand for themselves."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path.as_posix())


def _scan(path: Path) -> str:
    return (
        f"read_parquet({quoted_text(path_pattern(path))}, binary_as_string = true, "
        "file_row_number = true, hive_partitioning = false)"
    )
