"""A pandas frame as a table like those in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from growthlab.core.errors import DataError
from growthlab.data.readers.table_file import ROW, TableFile


class FrameTable(TableFile):
    """A frame; columns of several Python types become texts."""

    def __init__(self, frame: pd.DataFrame, connection: duckdb.DuckDBPyConnection) -> None:
        arrays = [_array(frame.iloc[:, n]) for n in range(frame.shape[1])]
        names = [ROW, *(f"c{n}" for n in range(len(arrays)))]
        rows = pa.array(range(1, len(frame) + 1), pa.int64())
        self._name = f"frame_{id(self)}"
        connection.register(self._name, pa.Table.from_arrays([rows, *arrays], names))
        described = connection.execute(f"DESCRIBE {self._name}").fetchall()
        types = [row[1] for row in described[1:]]
        super().__init__(Path(), [str(c) for c in frame.columns], types, may_be_empty=True)

    @classmethod
    @contextmanager
    def of(cls, frame: pd.DataFrame, connection: duckdb.DuckDBPyConnection) -> Iterator[FrameTable]:
        """The frame as a table, as long as the block lasts."""
        table = cls(frame, connection)
        try:
            yield table
        finally:
            connection.unregister(table._name)

    def own_relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> str:
        """What stands behind FROM: `ROW`, then the columns at these places as c0, c1, ..."""
        columns = ", ".join([ROW, *(f"c{place} AS c{n}" for n, place in enumerate(places))])
        return f"(SELECT {columns} FROM {self._name})"


def _array(values: pd.Series) -> pa.Array:
    try:
        if values.dtype == object:
            return pa.array(_texts(values), pa.string())
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            utc = values.dt.tz_convert("UTC").dt.tz_localize(None).dt.as_unit("us")
            return pa.array(utc.to_numpy(), pa.timestamp("us", "UTC"), from_pandas=True)
        array = pa.Array.from_pandas(values)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{values.name}: {str(error).splitlines()[0]}") from None
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _texts(values: pd.Series) -> list[str | None]:
    """Texts as they are, other values as Python writes them; lists are refused."""
    missing = values.isna()
    texts: list[str | None] = []
    for value, is_missing in zip(values, missing, strict=True):
        if is_missing is True or value is None:
            texts.append(None)
        elif hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
            raise DataError(
                f"{values.name} holds lists or tables: it must hold one text or number a row"
            )
        else:
            texts.append(str(value))
    return texts
