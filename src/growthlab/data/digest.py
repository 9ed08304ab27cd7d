"""A digest of tables that does not depend on row order, machine or storage format."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

_BATCH = 100_000


def content_digest(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> str:
    """SHA-256 over the hashes of each table's columns, rows sorted by all columns.

    A column of nulls counts as no column, -0.0 as 0.0, and integers of all widths are equal.
    """
    total = hashlib.sha256()
    for table in tables:
        names = sorted(r[0] for r in connection.execute(f"DESCRIBE {table}").fetchall())
        columns = ", ".join(f'"{n}"' for n in names)
        sorted_rows = connection.sql(f"SELECT {columns} FROM {table} ORDER BY ALL")
        hashes = [_ColumnHash() for _ in names]
        for batch in sorted_rows.to_arrow_reader(_BATCH):
            for column_hash, values in zip(hashes, batch.columns, strict=True):
                column_hash.add(values)
        for name, column_hash in zip(names, hashes, strict=True):
            if column_hash.any_value:
                total.update(f"{table}.{name}:".encode() + column_hash.digest())
    return total.hexdigest()


class _ColumnHash:
    """The hash of one column, independent of how its rows are cut into batches."""

    def __init__(self) -> None:
        self.any_value = False
        self._known, self._lengths, self._values = (hashlib.sha256() for _ in range(3))

    def add(self, values: pa.Array) -> None:
        known = values.is_valid().to_numpy(zero_copy_only=False)
        self.any_value |= bool(known.any())
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
