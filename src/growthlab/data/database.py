"""Databases for the tables of a log, with the functions that conversions use."""

from __future__ import annotations

import atexit
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from growthlab.core.errors import ConfigError
from growthlab.core.ids import has_lost_digits, tidy_id, whole_number
from growthlab.core.owned_folder import owned_folder
from growthlab.data.normalise import to_local, to_utc

OfArray = Callable[..., pa.Array]
LEAST_GB = 0.25
HALF = "50%"
_SETTINGS = {"memory_limit": HALF}  # of every new database
_NUMBERS = count(1)
_OWNED: list[Path] = []
_HELD = ExitStack()
atexit.register(_HELD.close)


def limit_memory(gb: float | None) -> None:
    """Give databases that are opened from now on so many GiB; null: half of what the machine has.

    Raises
    ------
    ConfigError
        It is too little to work with.
    """
    if gb is not None and not gb >= LEAST_GB:
        raise ConfigError(f"memory_gb must be {LEAST_GB} or more, not {gb}")
    _SETTINGS["memory_limit"] = HALF if gb is None else f"{gb}GiB"


def database(*, on_disk: bool = False) -> duckdb.DuckDBPyConnection:
    """A new database in memory, which writes what is too large for its limit to temporary files.

    They are in a folder that only its user can read, and go with the database, or at the next start
    after a kill. One `on_disk` is a file there, which others can attach; it takes four times as long
    to write.
    """
    # everything used here is built in; extensions would be downloaded
    config = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    folder = _own_folder() / secrets.token_hex(8)  # DuckDB makes it on first use
    settings = _SETTINGS | {"temp_directory": str(folder)}
    path = f"{folder}.duckdb" if on_disk else ":memory:"
    connection = duckdb.connect(path, config=config | settings)  # type: ignore[arg-type]
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


class DuckDBEngine:
    """DuckDB in this process, as the engine of a log."""

    def connect(self) -> duckdb.DuckDBPyConnection:
        """See `SqlEngine.connect`."""
        return database()


DUCKDB = DuckDBEngine()


@contextmanager
def order_made_by_query(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let the database read in any order within the block, where ORDER BY makes one: that saves memory."""
    connection.execute("SET preserve_insertion_order = false")
    try:
        yield
    finally:
        connection.execute("SET preserve_insertion_order = true")


def next_number() -> int:
    """A number that no table of any database of this process has in its name."""
    return next(_NUMBERS)


def scratch_path(name: str) -> Path:
    """A new path that only this user can read, which goes with the databases of this process."""
    return _own_folder() / f"{secrets.token_hex(8)}-{name}"


def _own_folder() -> Path:
    """The folder of this process for its databases; those of killed processes are removed."""
    if not (_OWNED and _OWNED[0].is_dir()):  # it lay in a scratch folder that has ended
        _HELD.close()
        user = os.getuid() if hasattr(os, "getuid") else "user"
        parent = Path(tempfile.gettempdir())
        _OWNED[:] = [_HELD.enter_context(owned_folder(parent, f"growthlab-data-{user}", 0o700))]
    return _OWNED[0]


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


def _local(times: pa.Array, zones: pa.Array) -> pa.Array:
    zone = _zone(zones)
    return times if zone is None else pa.array(to_local(_series(times), zone), pa.timestamp("us"))


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
    ("local_of_utc", _local, ["TIMESTAMP", "VARCHAR"], "TIMESTAMP"),
    ("unclear_local", _unclear, ["TIMESTAMP", "VARCHAR"], "TINYINT"),
)
