"""Databases for the tables of a log, with the functions that conversions use."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable

import duckdb
import pandas as pd
import pyarrow as pa

from growthlab.core.ids import has_lost_digits, tidy_id, whole_number
from growthlab.data.normalise import to_utc

OfArray = Callable[..., pa.Array]


def database(*, on_disk: bool = False) -> duckdb.DuckDBPyConnection:
    """A new database: in memory, or a temporary file, so that it may be larger than the memory is."""
    # everything used here is built in; extensions would be downloaded
    config = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    path = ":memory:"
    if on_disk:
        folder = tempfile.mkdtemp(prefix="growthlab-log-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        config |= {"temp_directory": folder}  # type: ignore[dict-item]
        path = f"{folder}/log.duckdb"
    connection = duckdb.connect(path, config=config)  # type: ignore[arg-type]
    connection.execute("SET TimeZone = 'UTC'")
    for name, function, arguments, result in _FUNCTIONS:
        connection.create_function(  # type: ignore[call-overload]
            name,
            function,
            arguments,
            result,
            type="arrow",
            null_handling="special",
        )
    return connection


def _of_distinct(function: Callable[[str], object], result: pa.DataType) -> OfArray:
    """A function of one text as one of an array: called once for each distinct text."""

    def of_array(texts: pa.Array) -> pa.Array:
        chunk = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        encoded = chunk.dictionary_encode()
        values = [None if t is None else function(t) for t in encoded.dictionary.to_pylist()]
        return pa.array(values, result).take(encoded.indices)

    return of_array


def _iso_of(text: str) -> str | None:
    """Another form of ISO 8601, such as 20240531T1345, in the usual one; None for any other text."""
    text = text.strip()
    text = f"{text[:-3].rstrip()}Z" if text.endswith("UTC") else text
    try:
        time = pd.to_datetime(text, format="ISO8601")
    except (ValueError, OverflowError):
        return None
    if time is pd.NaT or text.lower() in ("now", "today"):
        return None
    return str(time.as_unit("us").isoformat(" "))


def _utc(times: pa.Array, zones: pa.Array) -> pa.Array:
    return pa.array(to_utc(_series(times), _zone(zones)).times, pa.timestamp("us"))


def _unclear(times: pa.Array, zones: pa.Array) -> pa.Array:
    return pa.array(to_utc(_series(times), _zone(zones)).unclear, pa.int8())


def _zone(zones: pa.Array) -> str | None:
    """The zone of all rows, which is one."""
    return zones[0].as_py() if len(zones) else None


def _series(times: pa.Array) -> pd.Series:
    return pd.Series(times.to_numpy(zero_copy_only=False)).astype("datetime64[us]")


_FUNCTIONS: tuple[tuple[str, OfArray, list[str], str], ...] = (
    ("tidy_id", _of_distinct(tidy_id, pa.string()), ["VARCHAR"], "VARCHAR"),
    (
        "whole_number_or_text",
        _of_distinct(lambda text: whole_number(text) or text, pa.string()),
        ["VARCHAR"],
        "VARCHAR",
    ),
    (
        "is_whole_number",
        _of_distinct(lambda text: whole_number(text) is not None, pa.bool_()),
        ["VARCHAR"],
        "BOOLEAN",
    ),
    ("has_lost_digits", _of_distinct(has_lost_digits, pa.bool_()), ["VARCHAR"], "BOOLEAN"),
    ("other_iso_time", _of_distinct(_iso_of, pa.string()), ["VARCHAR"], "VARCHAR"),
    ("utc_of_local", _utc, ["TIMESTAMP", "VARCHAR"], "TIMESTAMP"),
    ("unclear_local", _unclear, ["TIMESTAMP", "VARCHAR"], "TINYINT"),
)
