"""growthlab reveal: a table with the original ids of customers in place of their pseudonyms."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from growthlab.bundle.table_files import format_of, write_block
from growthlab.config.compose import Command
from growthlab.core.atomic_write import atomic_path
from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.pseudonyms import find_key
from growthlab.data.privacy import KeptIds
from growthlab.data.raw_tables import read_marked_table
from growthlab.data.readers.files import existing_file


def run(command: Command) -> int:
    """Write the table with original ids, or nothing where one of them is not known."""
    config = command.config
    source, target = existing_file(str(config.input), "input"), Path(str(config.output))
    kind = format_of(target)
    key = find_key()
    if key is None:
        raise ConfigError(
            "there is no pseudonym key here: set GROWTHLAB_PSEUDONYM_KEY or GROWTHLAB_KEY_FILE to the one "
            "of the machine that prepared the data"
        )
    table = read_marked_table(source)
    column = str(config.column)
    if column not in table:
        raise DataError(
            f"{source} has no column {column!r}: {near_matches(column, map(str, table))}"
        )
    table[column] = _revealed(table[column], KeptIds(key), source)
    try:
        with atomic_path(target) as path:
            path.touch(mode=0o600)
            if kind == "parquet":
                table.to_parquet(path, index=False)
            else:
                texts = {
                    str(c): table[c].astype(object).where(table[c].notna(), None) for c in table
                }
                columns = {c: [None if v is None else str(v) for v in t] for c, t in texts.items()}
                write_block(path, kind, columns, header=True)
    except OSError as error:
        raise ConfigError(f"output={target} cannot be written ({error.strerror})") from error
    print(
        f"{target}: {len(table):,} rows with the original ids of {table[column].nunique():,} customers"
    )
    return 0


def _revealed(values: pd.Series, kept: KeptIds, source: Path) -> pd.Series:
    """The original id of each pseudonym; DataError for one that is not known."""
    names = values.astype("string")
    known = kept.of(names.dropna())
    unknown = names.notna() & ~names.isin(list(known))
    if unknown.any():
        row = int(unknown.to_numpy().argmax()) + 1
        raise DataError(
            f"{source}, row {row}: {names[unknown].iloc[0]!r} is no pseudonym that is known here "
            f"({unknown.sum():,} of {len(names):,} rows): it is of another key, or prepare kept no ids "
            "(privacy.keep_ids=false)"
        )
    return names.map(known)
