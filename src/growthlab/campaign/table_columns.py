"""A small table of a campaign from CSV, Parquet or yaml, each column of a kind and within bounds."""

from __future__ import annotations

from collections.abc import Collection
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
    return checked_table(*read_rows(folder, name), columns)


def read_rows(folder: Path, name: str) -> tuple[pd.DataFrame, Path]:
    """The table ``<folder>/<name>`` as it is, and its file."""
    path = table_path(folder, name)
    if path is None:
        raise ConfigError(
            f"{folder} has no table of {name} ({name}.csv, {name}.parquet or {name}.yaml): "
            "growthlab plan example=true writes one of each"
        )
    return _rows(path), path


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


def column_of(raw: pd.DataFrame, name: str, column: CampaignColumn, path: Path) -> pd.Series:
    """One column of a table, of its kind."""
    return _typed(raw[name].reset_index(drop=True), column, f"{path}: {name}")


def other_columns(raw: pd.DataFrame, path: Path, columns: Collection[str]) -> pd.DataFrame:
    """The columns of a table beside these: numbers where all of them are, else texts.

    An empty cell is NaN among numbers and an empty text among texts.

    Raises
    ------
    DataError
        A number is infinite.
    """
    others = {str(name): _number_or_text(raw[name], path) for name in raw if name not in columns}
    return pd.DataFrame(others, index=range(len(raw)))


def _number_or_text(given: pd.Series, path: Path) -> np.ndarray:
    texts = given.astype(object).where(given.notna(), "").astype(str).str.strip()
    empty = (texts == "").to_numpy()
    numbers = pd.to_numeric(texts.where(~empty, "nan"), errors="coerce").to_numpy(dtype=float)
    if (np.isnan(numbers) & ~empty).any():
        return texts.to_numpy(dtype=object)
    if np.isinf(numbers).any():
        row = int(np.isinf(numbers).argmax()) + 1
        raise DataError(f"{path}: {quoted(str(given.name))} is not finite in row {row}")
    return numbers


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
        typed = typed.astype(float if isinstance(column.default, float) else bool)
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
