"""Tables at an address in place of a path: fetched into a temporary file, then read like any other."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from growthlab.core.errors import ConfigError, DataError, quoted
from growthlab.core.file_settings import INPUT_FILE
from growthlab.data.fetched_files import FILE_SCHEMES, fetch_files

ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
DATABASES = ("postgresql", "postgres")
SESSION = ("SET TRANSACTION READ ONLY", "SET TimeZone = 'UTC'", "SET DateStyle = 'ISO'")
SELECT = re.compile(r"\s*(SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE)
PATIENCE_SECONDS = 10
Settings = TypeVar("Settings")


def check_addresses(settings: Any) -> None:
    """Raise a `ConfigError` for an address with a password, or of a kind that is not read.

    The line never repeats the password: credentials come from the environment.
    """
    for name, address in _addresses(settings):
        parts = urlsplit(address)
        if parts.password is not None or "?" in address or "@" in address.partition("@")[2]:
            raise ConfigError(
                f"data.{name} is an address with a password or options in it: give it without, and the "
                "password in the environment, such as PGPASSWORD or AWS_SECRET_ACCESS_KEY"
            )
        if parts.scheme not in (*DATABASES, *FILE_SCHEMES):
            raise ConfigError(
                f"data.{name}={quoted(parts.scheme)}://...: addresses are read of {', '.join(FILE_SCHEMES)} "
                "and postgresql"
            )
        if parts.scheme in DATABASES and not parts.path.strip("/"):
            raise ConfigError(
                f"data.{name}={quoted(address)} names no database: "
                "postgresql://USER@HOST/DATABASE#TABLE"
            )


@contextmanager
def fetched(settings: Settings, query: str | None) -> Iterator[Settings]:
    """The settings with files in place of addresses, as long as the block lasts.

    Of files see `fetch_files`. A fragment of a database's address names the table, such as ``#orders`` or
    ``#sales.orders``; without one the rows are those of `query`, a SELECT that the database runs in a
    transaction that reads only.

    Raises
    ------
    ConfigError
        A database's address says no table, and there is no query.
    DataError
        What is at an address cannot be reached, or read.
    """
    if not any(True for _ in _addresses(settings)):
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="growthlab-fetched-") as folder:

        def local(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: local(each) for name, each in value.items()}
            if isinstance(value, (list, tuple)):
                return [local(each) for each in value]
            if not isinstance(value, str) or ADDRESS.match(value) is None:
                return value
            place = Path(tempfile.mkdtemp(dir=folder))
            if urlsplit(value).scheme in DATABASES:
                return str(_fetch_rows(value, query, place))
            return str(fetch_files(value, place))

        changed = {
            f.name: local(getattr(settings, f.name))
            for f in fields(settings)  # type: ignore[arg-type]
            if f.metadata == INPUT_FILE
        }
        yield replace(settings, **changed)  # type: ignore[type-var]


def _addresses(settings: Any) -> Iterator[tuple[str, str]]:
    """Name and value of each setting of a file that is an address."""
    for each in fields(settings):
        if each.metadata != INPUT_FILE:
            continue
        waiting = [(each.name, getattr(settings, each.name))]
        while waiting:
            name, value = waiting.pop()
            if isinstance(value, dict):
                waiting += [(f"{name}.{key}", one) for key, one in value.items()]
            elif isinstance(value, (list, tuple)):
                waiting += [(name, one) for one in value]
            elif isinstance(value, str) and ADDRESS.match(value):
                yield name, value


def _fetch_rows(address: str, query: str | None, folder: Path) -> Path:
    """The rows of a table or a query as a Parquet file of texts; nothing but null is a missing value."""
    try:
        import psycopg
        from psycopg import sql
    except ImportError:
        raise ConfigError(
            "data from PostgreSQL needs psycopg: pip install 'growthlab[postgres]'"
        ) from None

    database, _, table = address.partition("#")
    if not table and query is None:
        raise ConfigError(
            f"data.path={quoted(database)} names no table: add #TABLE, or a SELECT by data.query"
        )
    select = (query or "").strip().rstrip(";")
    rows: Any = sql.SQL(select)
    if table:
        rows = sql.SQL("SELECT * FROM {}").format(sql.Identifier(*table.split(".")))
    elif SELECT.match(select) is None:
        raise ConfigError("data.query must be one SELECT")
    name = re.sub(r"[^\w.-]+", "_", table) or "query"
    path = folder / f"{name}.parquet"
    try:
        with psycopg.connect(
            database, connect_timeout=PATIENCE_SECONDS, client_encoding="utf8"
        ) as connection:
            for setting in SESSION:
                connection.execute(setting)
            # one whole statement of its own, so that it cannot end the parentheses of COPY
            checked = connection.pgconn.prepare(b"", rows.as_bytes(connection))
            if checked.status != psycopg.pq.ExecStatus.COMMAND_OK:
                raise psycopg.ProgrammingError(checked.error_message.decode(errors="replace"))
            copied = sql.SQL("COPY (\n{}\n) TO STDOUT (FORMAT csv, HEADER)").format(rows)
            text = folder / "rows.csv"
            with text.open("wb") as file, connection.cursor().copy(copied) as copy:
                for block in copy:
                    file.write(block)
        _write_parquet(text, path)
    except (psycopg.Error, pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{database} cannot be read: {quoted(reason, 300)}") from None
    return path


def _write_parquet(text: Path, path: Path) -> None:
    """A CSV of PostgreSQL's as Parquet of texts, block by block."""
    with text.open("rb") as file:
        header = arrow_csv.open_csv(
            file, parse_options=arrow_csv.ParseOptions(newlines_in_values=True)
        ).schema.names
    columns = arrow_csv.ConvertOptions(
        column_types={name: pa.string() for name in header},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    reader = arrow_csv.open_csv(
        text,
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=columns,
    )
    with pq.ParquetWriter(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    text.unlink()
