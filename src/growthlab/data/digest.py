"""A digest of tables that does not depend on row order, machine or storage format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import duckdb
import numpy as np
import pyarrow as pa

_BATCH = 100_000
_FEWEST_REPEATS = (
    4  # of a text on average, from which a sort by its rank costs less than one by itself
)
_MOST_RANKED = 20_000_000  # texts: they are in memory, in their order


def content_digest(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, str]) -> str:
    """SHA-256 over the hashes of each table's columns, rows sorted by all columns.

    `tables` are names and what to read them from, such as a file. A column of nulls counts as no column,
    -0.0 as 0.0, and integers of all widths are equal.
    """
    total = hashlib.sha256()
    for table, rows in tables.items():
        for name, column_hash in _column_hashes(connection, rows).items():
            total.update(f"{table}.{name}:".encode() + column_hash.digest())
    return total.hexdigest()


def _column_hashes(connection: duckdb.DuckDBPyConnection, rows: str) -> dict[str, _ColumnHash]:
    """The hash of each column that holds anything, in the order of their names.

    Texts that occur again and again are replaced by their ranks: the rows are in the same order, and
    the sort has a third of the bytes.
    """
    described = connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()
    types = {name: kind for name, kind, *_ in sorted(described)}
    counted = [f'count("{name}"), approx_count_distinct("{name}")' for name in types]
    n_rows, *counts = connection.execute(
        f"SELECT count(*), {', '.join(counted)} FROM {rows}"
    ).fetchall()[0]
    names = [name for name, n in zip(types, counts[::2], strict=True) if n]
    distinct = dict(zip(types, counts[1::2], strict=True))
    ranked = {
        name: f"ranks_{place}"
        for place, name in enumerate(names)
        if types[name] == "VARCHAR"
        and distinct[name] * _FEWEST_REPEATS < n_rows
        and distinct[name] < _MOST_RANKED
    }
    texts = {name: _ranked_texts(connection, rows, name, ranked[name]) for name in ranked}
    selected = [f'{ranked[n]}.rank AS "{n}"' if n in ranked else f'r."{n}"' for n in names]
    joins = [f'LEFT JOIN {t} ON {t}.text = r."{name}"' for name, t in ranked.items()]
    hashes = {name: _ColumnHash() for name in names}
    if names:
        sql = f"SELECT {', '.join(selected)} FROM {rows} AS r {' '.join(joins)} ORDER BY ALL"
        for batch in connection.sql(sql).to_arrow_reader(_BATCH):
            for name, values in zip(names, batch.columns, strict=True):
                hashes[name].add(texts[name].take(values) if name in texts else values)
    for table in ranked.values():
        connection.execute(f"DROP TABLE {table}")
    return hashes


def _ranked_texts(
    connection: duckdb.DuckDBPyConnection, rows: str, column: str, table: str
) -> pa.Array:
    """The distinct texts of a column, sorted; each with its place in the new table."""
    connection.execute(
        f"CREATE TEMP TABLE {table} AS SELECT text, row_number() OVER (ORDER BY text) - 1 AS rank "
        f'FROM (SELECT DISTINCT "{column}" AS text FROM {rows}) WHERE text IS NOT NULL'
    )
    sql = f"SELECT text FROM {table} ORDER BY rank"
    return connection.sql(sql).to_arrow_table()["text"].combine_chunks()


class _ColumnHash:
    """The hash of one column, independent of how its rows are cut into batches."""

    def __init__(self) -> None:
        self._known, self._lengths, self._values = (hashlib.sha256() for _ in range(3))

    def add(self, values: pa.Array) -> None:
        known = values.is_valid().to_numpy(zero_copy_only=False)
        self._known.update(known.tobytes())
        kept = values.drop_null()
        if pa.types.is_temporal(kept.type):
            kept = kept.cast(pa.timestamp("us")).cast(pa.int64())
        if pa.types.is_integer(kept.type) or pa.types.is_boolean(kept.type):
            self._values.update(kept.to_numpy(zero_copy_only=False).astype("<i8").tobytes())
        elif pa.types.is_floating(kept.type):
            numbers = kept.to_numpy(zero_copy_only=False).astype("<f8")
            self._values.update((numbers + 0.0).tobytes())  # -0.0 + 0.0 is 0.0
        else:
            lengths, utf8 = _text_bytes(kept.cast(pa.large_string()))
            self._lengths.update(lengths.astype("<i8").tobytes())
            self._values.update(utf8)

    def digest(self) -> bytes:
        return self._known.digest() + self._lengths.digest() + self._values.digest()


def _text_bytes(texts: pa.Array) -> tuple[np.ndarray, memoryview]:
    """The length of each text in bytes, and all texts in UTF-8, without a copy."""
    _, offsets, utf8 = texts.buffers()
    if offsets is None or utf8 is None:
        return np.zeros(len(texts), dtype=np.int64), memoryview(b"")
    ends = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.diff(ends), memoryview(utf8)[ends[0] : ends[-1]]
