"""Raw tables in files as frames, with errors that name the file and the column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from growthlab.core.csv_text import raw_text
from growthlab.core.errors import DataError, near_matches
from growthlab.core.raw_files import kind_of
from growthlab.data.columns import STRINGS
from growthlab.data.conversions import text_sql
from growthlab.data.database import database
from growthlab.data.raw_column import RawColumn
from growthlab.data.readers.open_table import FileFormat, open_table
from growthlab.data.readers.table_file import ROW


def read_table(path: Path, given: FileFormat | None = None) -> pd.DataFrame:
    """The table in a file of any kind; all values are texts, null where missing, but those of Parquet."""
    with database() as connection:
        table = open_table(path, connection, given)
        table.unnests = False
        names = [name for name, n in Counter(table.names).items() if n == 1]
        places = [list(table.names).index(name) for name in names]
        texts = [
            f"{text_sql(RawColumn(n, table.types[p]))} AS c{n}"
            if RawColumn(n, table.types[p]).is_text
            else f"c{n}"
            for n, p in enumerate(places)
        ]
        try:
            rows = connection.sql(
                f"SELECT {', '.join(texts)} FROM {table.relation(connection, places)} ORDER BY {ROW}"
            ).to_arrow_table()
        except duckdb.Error as error:
            raise table.raised(error) from None
    frame = rows.to_pandas(types_mapper={pa.string(): STRINGS}.get)
    return frame.set_axis(names, axis=1)


def read_marked_table(path: Path) -> pd.DataFrame:
    """As `read_table`, of a file that may be our own: texts of a CSV as `raw_text` gives them."""
    table = read_table(path)
    if kind_of(path) == "parquet":
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
