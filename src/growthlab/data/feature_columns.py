"""Columns of a raw table as features: numbers and categories, without what cannot be one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.data.columns import as_numbers

MOST_LEVELS = 100  # of a text
FEWEST_IN_ORDER, FEWEST_OF_AN_ID = (
    20,
    1000,
)  # customers; fewer may have another number each by chance
MOSTLY = 0.9  # of the values: a column with so many numbers is meant to hold numbers


def feature_columns(
    table: pd.DataFrame, first_rows: np.ndarray, keep: Sequence[str], hint: str = ""
) -> pd.DataFrame:
    """The columns as float64 or categories; blanks are missing values.

    `first_rows` is a mask of one row a customer, and `hint` ends the message about such columns.

    Raises
    ------
    DataError
        A column of numbers with a word in it; or columns, unless `keep` names them, that say nothing
        that holds for other customers: a single value, another one in every row, too many texts.
    """
    features = pd.DataFrame(
        {name: _as_feature(values, str(name)) for name, values in table.items()}, index=table.index
    )
    found = {
        str(name): why
        for name, values in features.items()
        if name not in keep and (why := _why_no_feature(values, first_rows))
    }
    if found:
        listed = ", ".join(f"{name} ({why})" for name, why in found.items())
        raise DataError(
            f"a model can learn nothing for other customers from {listed}: leave out with "
            f"{setting('leave_out', found)}, or read all the same with {setting('keep', found)}{hint}"
        )
    if not len(features.columns):
        raise DataError("no column is left as a feature: see data.features and data.leave_out")
    return features


def known_columns(
    table: pd.DataFrame, columns: Sequence[str], texts: Collection[str]
) -> pd.DataFrame:
    """The columns as a model reads them: `texts` as categories, the others as numbers.

    Raises
    ------
    DataError
        A column is missing, or holds a word where a number is read.
    """
    missing = [name for name in columns if name not in table]
    if missing:
        hint = near_matches(missing[0], [str(c) for c in table.columns])
        raise DataError(f"no column {missing[0]!r}, which the model reads: {hint}")
    read = {
        name: _as_texts(table[name]).astype("category")
        if name in texts
        else as_numbers(_as_texts(table[name]), name)
        for name in columns
    }
    return pd.DataFrame(read, index=table.index)


def chosen_columns(
    table: pd.DataFrame,
    features: Sequence[str] | None,
    leave_out: Sequence[str],
    keep: Sequence[str],
) -> list[str]:
    """The names of the columns to read: `features`, or all, without those to leave out.

    Raises
    ------
    ConfigError
        A name that is no column of the table, or is both left out and read.
    """
    possible = [str(c) for c in table.columns]
    for option, names in (("features", features or ()), ("leave_out", leave_out), ("keep", keep)):
        for name in names:
            if str(name) not in possible:
                raise ConfigError(f"data.{option} has {name}: {near_matches(str(name), possible)}")
    both = sorted(set(leave_out) & {*(features or ()), *keep})
    if both:
        raise ConfigError(f"data.leave_out has {both[0]}, which is to be read as well")
    left_out = {str(name) for name in leave_out}
    read = possible if features is None else [str(name) for name in features]
    return [name for name in read if name not in left_out]


def setting(option: str, names: Sequence[str] | dict[str, str]) -> str:
    """The word of a command line that names columns: ``data.leave_out=[id,'zip code']``."""
    words = [name if name.isidentifier() else f"'{name}'" for name in names]
    return f"data.{option}=[{','.join(words)}]"


def _as_feature(values: pd.Series, name: str) -> pd.Series:
    """The values as float64, or as a category of texts."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return values.astype(object).map(str, na_action="ignore").astype("category")
    if pd.api.types.is_numeric_dtype(values.dtype):
        return as_numbers(values, name)
    texts = _as_texts(values)
    numbers = _numbers_of(texts)
    return texts.astype("category") if numbers is None else _refuse_words(texts, numbers, name)


def _as_texts(values: pd.Series) -> pd.Series:
    """The values as texts, blanks as missing."""
    texts = values.astype(object).map(str, na_action="ignore")
    return texts.mask(texts.str.strip() == "")


def _numbers_of(texts: pd.Series) -> pd.Series | None:
    """The texts as numbers, NaN for words; None where they are no numbers, as codes like 007."""
    known = texts.dropna()
    numbers = pd.to_numeric(texts, errors="coerce").astype(np.float64)
    is_code = known.str.fullmatch(r"0\d+").any()
    if not len(known) or is_code or numbers.notna().sum() < MOSTLY * len(known):
        return None
    return numbers


def _refuse_words(texts: pd.Series, numbers: pd.Series, name: str) -> pd.Series:
    wrong = (numbers.isna() & texts.notna()) | np.isinf(numbers)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"row {row + 1}: {name} {texts.iloc[row]!r} is not a finite number, and "
            f"{int(numbers.notna().sum()):,} of {int(texts.notna().sum()):,} values of it are: leave the "
            f"cell empty where nothing is known, or leave out with {setting('leave_out', [name])}"
        )
    return numbers


def _why_no_feature(values: pd.Series, first_rows: np.ndarray) -> str:
    """Why a column cannot be a feature; empty where it can."""
    n_values = values.nunique()
    if n_values < 2 and not (n_values and values.isna().any()):
        return "one value" if n_values else "empty"
    if isinstance(values.dtype, pd.CategoricalDtype):
        return f"{n_values:,} texts" if n_values > MOST_LEVELS else ""
    one_each = values[first_rows].dropna()
    if not one_each.is_unique or (one_each != np.floor(one_each)).any():
        return ""
    in_order = np.ptp(one_each.to_numpy()) == len(one_each) - 1
    if len(one_each) >= (FEWEST_IN_ORDER if in_order else FEWEST_OF_AN_ID):
        return "another whole number for every customer, as an id"
    return ""
