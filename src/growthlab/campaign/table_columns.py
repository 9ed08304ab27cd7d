"""A small table of a campaign from CSV, Parquet or yaml, each column of a kind and within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from growthlab.core.csv_text import raw_text
from growthlab.core.errors import ConfigError, DataError, one_line, quoted
from growthlab.core.plain_yaml import read_plain_yaml

ENDINGS = (".csv", ".parquet", ".yaml")
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class CampaignColumn:
    """A column: its kind, the value of empty cells (None: they are refused), its bounds."""

    kind: Literal["text", "number", "whole", "time", "truth"]
    default: Any = None
    low: float = -np.inf
    high: float = np.inf


def read_table(folder: Path, name: str, columns: dict[str, CampaignColumn]) -> pd.DataFrame:
    """The table ``<folder>/<name>`` with these columns; others are left out.

    Raises
    ------
    ConfigError, DataError
        The file or a column is missing, there are two files, or a value is none of its kind; one line.
    """
    path = table_path(folder, name)
    if path is None:
        raise ConfigError(
            f"{folder} has no table of {name} ({name}.csv, {name}.parquet or {name}.yaml): "
            "growthlab plan example=true writes one of each"
        )
    return checked_table(_rows(path), path, columns)


def table_path(folder: Path, name: str) -> Path | None:
    """The file of a table; None without one."""
    paths = [path for ending in ENDINGS if (path := folder / f"{name}{ending}").exists()]
    if len(paths) > 1:
        raise ConfigError(f"{folder} has {paths[0].name} and {paths[1].name}: keep one of them")
    return paths[0] if paths else None


def checked_table(
    raw: pd.DataFrame, path: Path, columns: dict[str, CampaignColumn]
) -> pd.DataFrame:
    """The columns of a table, each of its kind."""
    table = {}
    for name, column in columns.items():
        if name in raw:
            table[name] = _typed(raw[name], column, f"{path}: {name}")
        elif column.default is None:
            raise DataError(f"{path} has no column {name}, which it needs")
        else:
            table[name] = pd.Series([column.default] * len(raw))
    return pd.DataFrame(table)


def _rows(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".yaml":
            content = read_plain_yaml(path)
            if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
                raise ConfigError(f"{path} must be a list of rows, each with its columns")
            return pd.DataFrame(content)
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        return table.map(raw_text).rename(columns=raw_text)
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise DataError(f"{path} cannot be read: {quoted(one_line(error), 200)}") from error


def _typed(given: pd.Series, column: CampaignColumn, where: str) -> pd.Series:
    empty = given.isna() | (given.astype(str).str.strip() == "")
    if empty.any() and column.default is None:
        raise DataError(f"{where} is empty in row {int(np.flatnonzero(empty)[0]) + 1}")
    values = given[~empty]
    typed: Any
    if column.kind == "text":
        typed = values.astype(str).str.strip()
    elif column.kind == "truth":
        typed = values.astype(str).str.strip().str.lower().map(TRUTHS)
    elif column.kind == "time":
        typed = _times(values, where)
    else:
        typed = pd.to_numeric(values, errors="coerce")
        typed = typed.where(np.isfinite(typed.astype(float)))
    wrong = typed.isna()
    if column.kind == "whole":
        wrong |= typed.astype(float) % 1 != 0
    if column.kind in ("number", "whole"):
        wrong |= (typed.astype(float) < column.low) | (typed.astype(float) > column.high)
    if wrong.any():
        row = values.index[np.flatnonzero(wrong)[0]]
        raise DataError(
            f"{where} is {quoted(str(values[row]))} in row {int(row) + 1}, not {_words(column)}"
        )
    if column.kind == "truth":
        typed = typed.astype(bool)
    if not empty.any():
        return typed.reset_index(drop=True)
    filled = pd.Series([column.default] * len(given), index=given.index)
    if column.kind == "time":
        filled = filled.astype("datetime64[ns]")
    elif column.kind in ("number", "whole"):
        filled = filled.astype(float)
    filled[~empty] = typed
    return filled.reset_index(drop=True)


def _times(values: pd.Series, where: str) -> pd.Series:
    try:
        times = pd.to_datetime(values, errors="coerce", format="ISO8601")
        zoned = getattr(times.dtype, "tz", None) is not None
    except ValueError:  # of several zones
        zoned = True
    if zoned:
        raise DataError(f"{where} has a time zone: times are the shop's own, without one")
    return times


def _words(column: CampaignColumn) -> str:
    if column.kind == "truth":
        return "true or false"
    if column.kind == "time":
        return "a time like 2026-12-01T10:00"
    noun = "a whole number" if column.kind == "whole" else "a finite number"
    if column.high < np.inf:
        return f"{noun} from {column.low:g} to {column.high:g}"
    return f"{noun} of {column.low:g} or more" if column.low > -np.inf else noun
