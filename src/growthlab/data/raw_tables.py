"""Raw tables from CSV and Parquet files, with errors that name the file and the column."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from growthlab.core.errors import DataError, near_matches

MISSING = ["", "NaN", "nan", "NULL", "null"]  # in a CSV; NA is left alone, it may be a code


def existing(path: str | Path, option: str = "data.path") -> Path:
    """The path, if a file is there; DataError names the option and what lies there instead."""
    path = Path(path).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise DataError(f"{option}={path} is a folder: give the file in it")
    if not path.parent.is_dir():
        raise DataError(f"{option}={path}: there is no file, nor a folder {path.parent}")
    beside = near_matches(path.name, [p.name for p in path.parent.iterdir() if p.is_file()])
    raise DataError(f"{option}={path}: there is no such file: {beside}")


def read_table(
    path: Path, *, separator: str | None = None, encoding: str = "utf-8-sig"
) -> pd.DataFrame:
    """The table of a Parquet file, or of a CSV file whose values all stay strings, null if missing.

    A CSV may be compressed; its `separator` is a tab for .tsv, a comma otherwise.
    """
    try:
        if path.suffix in (".parquet", ".pq"):
            return pq.read_table(path).to_pandas()
        return pd.read_csv(
            path,
            sep=separator or ("\t" if ".tsv" in path.suffixes else ","),
            dtype=pd.StringDtype(na_value=np.nan),  # numbers would lose the leading zeros of ids
            keep_default_na=False,
            na_values=MISSING,
            encoding=encoding,
        )
    except UnicodeDecodeError:
        raise DataError(
            f"{path} is not encoded in {encoding}: give its encoding, for instance cp1252"
        ) from None
    except LookupError:
        raise DataError(
            f"no encoding is called {encoding}: give one like utf-8 or cp1252"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {str(error).strip().splitlines()[0]}") from None


def renamed(table: pd.DataFrame, columns: Mapping[str, str | None], where: Path) -> pd.DataFrame:
    """The columns that `columns` maps our names to, under our names.

    A name mapped to null stands for itself and may be missing; DataError where another is missing.
    """
    out = {}
    for ours, theirs in columns.items():
        if theirs is None and ours not in table:
            continue
        theirs = ours if theirs is None else theirs
        if theirs not in table:
            hint = near_matches(theirs, map(str, table.columns))
            raise DataError(f"{where.name} has no column {theirs!r} (for {ours}): {hint}")
        out[ours] = table[theirs]
    return pd.DataFrame(out, index=table.index)
