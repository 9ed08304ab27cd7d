"""Reading raw tables from CSV and Parquet files, with errors that name the file and the column."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from growthlab.core.csv_text import raw_text
from growthlab.core.errors import DataError, near_matches

NOT_DATA = (("proc",), ("sys",), ("dev",))  # environment variables stand there
MISSING = ["", "NaN", "nan", "NULL", "null"]  # in a CSV; not NA, which may be an id


def existing_file(path: str | Path, option: str = "data.path") -> Path:
    """The path of an existing file; DataError names the option and similar files that exist."""
    path = Path(path).expanduser()
    if path.resolve().parts[1:2] in NOT_DATA:
        raise DataError(f"{option}={path} is no file of data: it shows the machine's own state")
    if path.is_file():
        return path
    if path.is_dir():
        raise DataError(f"{option}={path} is a folder: give the file in it")
    if not path.parent.is_dir():
        raise DataError(f"{option}={path}: there is no file, nor a folder {path.parent}")
    neighbours = near_matches(path.name, [p.name for p in path.parent.iterdir() if p.is_file()])
    raise DataError(f"{option}={path}: there is no such file: {neighbours}")


def read_table(
    path: Path, *, separator: str | None = None, encoding: str = "utf-8-sig"
) -> pd.DataFrame:
    """The table of a Parquet or CSV file; all values of a CSV are strings, null where missing.

    A CSV may be compressed; its default `separator` is a tab for .tsv, a comma otherwise.
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
            f"{path} is not encoded in {encoding}: give its encoding, such as cp1252"
        ) from None
    except LookupError:
        raise DataError(
            f"there is no encoding {encoding}: give one such as utf-8 or cp1252"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {str(error).strip().splitlines()[0]}") from None


def read_marked_table(path: Path) -> pd.DataFrame:
    """As `read_table`, of a file that may be our own: texts of a CSV as `raw_text` gives them."""
    table = read_table(path)
    if path.suffix in (".parquet", ".pq"):
        return table
    return table.rename(columns=raw_text).map(raw_text, na_action="ignore")


def rename_columns(
    table: pd.DataFrame, columns: Mapping[str, str | None], where: Path
) -> pd.DataFrame:
    """The table with the columns named in `columns` (our name -> the table's), under our names.

    A name mapped to null has the same name in the table and may be missing; DataError where another
    column is missing.
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
