"""What becomes of customers' ids when data comes in: keyed pseudonyms, and raw ids in a file of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TypeVar

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from growthlab.core.atomic_write import atomic_path
from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.file_lock import file_lock
from growthlab.core.pseudonyms import (
    NAMES_IN_DATA,
    NAMES_OF_CUSTOMERS,
    PSEUDONYM,
    PseudonymKey,
    find_key,
    find_or_create_key,
    key_file,
)
from growthlab.data.sql_text import quoted_text

logger = logging.getLogger(__name__)

COLUMNS = ("pseudonym", "user_id")
Named = TypeVar("Named", bound="Nameable")


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """How customers are named in everything that is made of a data set.

    Parameters
    ----------
    user_ids
        ``pseudonym`` or ``plain``, the raw ids; None: as the data source says.
    keep_ids
        Whether the raw ids behind pseudonyms are kept beside the key, for ``growthlab reveal``.
    """

    user_ids: str | None = None
    keep_ids: bool = True

    def __post_init__(self) -> None:
        if self.user_ids is not None and self.user_ids not in NAMES_OF_CUSTOMERS:
            hint = near_matches(str(self.user_ids), NAMES_OF_CUSTOMERS)
            raise ConfigError(f"privacy.user_ids={self.user_ids}: {hint}")
        if not isinstance(self.keep_ids, bool):
            raise ConfigError(f"privacy.keep_ids={self.keep_ids}: possible are true and false")

    def key_for(self, default: str) -> PseudonymKey | None:
        """The key of the pseudonyms, made where there is none; None where raw ids stay.

        `default` is what the data source says.

        Raises
        ------
        ConfigError
            A new key cannot be written.
        """
        return find_or_create_key() if (self.user_ids or default) == PSEUDONYM else None

    def named(self, data: Named, default: str) -> Named:
        """Raw data with its customers named as is said here, or by `default`.

        Raises
        ------
        ConfigError
            A new key cannot be written, or the raw ids cannot be kept.
        """
        key = self.key_for(default)
        if key is None:
            return data
        return data.with_pseudonyms(key, KeptIds(key) if self.keep_ids else None)


class Nameable(Protocol):
    """Data with customers that can be given other names."""

    def with_pseudonyms(self, key: PseudonymKey, kept: KeptIds | None = None) -> Self:
        """The same data with keyed pseudonyms for user ids; the raw ones go to `kept`."""
        ...


class KeptIds:
    """The raw ids behind the pseudonyms of one key: a Parquet file of mode 0600 beside the key file."""

    def __init__(self, key: PseudonymKey) -> None:
        self._fingerprint = key.fingerprint
        self.path = kept_ids_file(key)

    def add(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        """Add the pairs of a table with the columns ``pseudonym`` and ``user_id``.

        Raises
        ------
        ConfigError
            The file cannot be written.
        """
        names = ", ".join(COLUMNS)
        pairs = f"SELECT {names} FROM {table}"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with file_lock(self.path.with_name(f"{self.path.name}.lock")):
                if self.path.exists():
                    kept = f"SELECT {names} FROM read_parquet({quoted_text(str(self.path))})"
                    pairs = f"{kept} UNION {pairs}"
                    new = f"SELECT 1 FROM {table} ANTI JOIN ({kept}) USING (pseudonym) LIMIT 1"
                    if not connection.execute(new).fetchall():
                        return
                with atomic_path(self.path) as path:
                    path.touch(mode=0o600)
                    sql = f"COPY ({pairs} ORDER BY pseudonym) TO {quoted_text(str(path))} (FORMAT parquet)"
                    connection.execute(sql)
                    path.chmod(0o600)
        except (OSError, duckdb.Error) as error:
            raise ConfigError(
                f"the original ids cannot be kept in {self.path} ({str(error).splitlines()[0]}): set "
                "GROWTHLAB_KEY_FILE to a file in another folder, or privacy.keep_ids=false"
            ) from error
        logger.info("the original ids are kept in %s", self.path)

    def of(self, pseudonyms: Iterable[str]) -> dict[str, str]:
        """The raw id of each pseudonym that is known.

        Raises
        ------
        DataError
            No ids are kept for this key, or the file cannot be read.
        """
        if not self.path.exists():
            raise DataError(
                f"no original ids are kept for the key {self._fingerprint} here ({self.path}): only the "
                "machine and user that prepared the data with privacy.keep_ids=true have them"
            )
        wanted = pa.table({"wanted": pa.array(sorted(set(pseudonyms)), pa.string())})
        with duckdb.connect() as connection:
            connection.register("wanted_names", wanted)
            try:
                rows = connection.execute(
                    f"SELECT {', '.join(COLUMNS)} FROM read_parquet({quoted_text(str(self.path))}) "
                    "JOIN wanted_names ON wanted = pseudonym"
                ).fetchall()
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                raise DataError(f"{self.path} cannot be read ({reason})") from None
        return {str(pseudonym): str(raw) for pseudonym, raw in rows}


def kept_ids_file(key: PseudonymKey) -> Path:
    """Where the raw ids behind the pseudonyms of a key are kept."""
    return key_file().with_name(f"customer-ids-{key.fingerprint}.parquet")


def names_in_data(
    given: pd.Series, known: np.ndarray, key_fingerprint: str | None, option: str
) -> pd.Series:
    """The ids of customers that a person gave, as the data names them: raw ids become pseudonyms.

    `known` are customers of the data, whose pseudonyms may be given too. `option` names the file.

    Raises
    ------
    ConfigError
        The data has pseudonyms of a key that is not here.
    """
    if key_fingerprint is None or given.isin(known).all():
        return given
    key = find_key()
    if key is None or key.fingerprint != key_fingerprint:
        raise ConfigError(
            f"{option} has raw ids, and the data has pseudonyms of the key {key_fingerprint}, which is "
            "not here: set GROWTHLAB_PSEUDONYM_KEY or GROWTHLAB_KEY_FILE"
        )
    named = given.map(lambda raw: key.pseudonym(NAMES_IN_DATA, raw), na_action="ignore")
    return given.where(given.isin(known), named)


def write_pseudonyms(
    connection: duckdb.DuckDBPyConnection,
    key: PseudonymKey,
    namespace: str,
    column: str,
    tables: Iterable[str],
    target: str,
) -> None:
    """Write the distinct texts of a column of these tables, each with its pseudonym, into `target`."""
    function = f"{target}_of"

    def pseudonyms(texts: pa.Array) -> pa.Array:
        return pa.array(key.pseudonyms(namespace, texts.to_pylist()))

    connection.create_function(  # type: ignore[call-overload]
        function,
        pseudonyms,
        ["VARCHAR"],
        "VARCHAR",
        type="arrow",
    )
    texts = " UNION ALL ".join(f"SELECT {column} FROM {table}" for table in tables)
    connection.execute(
        f"CREATE TABLE {target} AS SELECT {function}({column}) AS pseudonym, {column} "
        f"FROM (SELECT DISTINCT {column} FROM ({texts}) WHERE {column} IS NOT NULL)"
    )
    connection.remove_function(function)
