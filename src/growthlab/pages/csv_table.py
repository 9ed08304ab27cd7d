"""A table as CSV whose texts no spreadsheet takes for formulas, and read back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from growthlab.core.csv_text import as_csv_text, quoting_of, raw_text

if TYPE_CHECKING:
    import pandas as pd


def csv_of_table(table: pd.DataFrame) -> str:
    """The table without its index; texts and column names as `as_csv_text` gives them."""
    cells = table.rename(columns=lambda name: as_csv_text(str(name)))
    texts = [str(name) for name in table.columns]
    for place, name in enumerate(table.columns):
        if table[name].dtype.kind not in "biufM":
            cells.isetitem(place, table[name].map(_cell).tolist())
            texts += [value for value in table[name] if isinstance(value, str)]
    text: str = cells.to_csv(index=False, quoting=quoting_of(texts))
    return text


def table_of_csv(path: Path) -> pd.DataFrame:
    """The table of a file that `csv_of_table` wrote."""
    import pandas as pd

    table = pd.read_csv(path).rename(columns=raw_text)
    for place, name in enumerate(table.columns):
        if table[name].dtype.kind not in "biufM":
            table.isetitem(place, table[name].map(_raw).tolist())
    return table


def _cell(value: object) -> object:
    return as_csv_text(value) if isinstance(value, str) else value


def _raw(cell: object) -> object:
    return raw_text(cell) if isinstance(cell, str) else cell
