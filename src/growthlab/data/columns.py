"""The columns of an event log: their names, their types, and how raw values become them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError, near_matches
from growthlab.core.histories import EVENT_TYPES

EVENT_COLUMNS = {
    "user_id": "VARCHAR",
    "item_id": "VARCHAR",
    "event_type": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "ingested_at": "TIMESTAMP",
    "quantity": "DOUBLE",
    "unit_price": "DOUBLE",
    "discount": "DOUBLE",
    "rating": "DOUBLE",
    "order_id": "VARCHAR",
    "session_id": "VARCHAR",
    "channel": "VARCHAR",
    "query": "VARCHAR",
    "position": "BIGINT",
    "split": "VARCHAR",
}
ITEM_COLUMNS = {
    "item_id": "VARCHAR",
    "text": "VARCHAR",
    "category": "VARCHAR",
    "price": "DOUBLE",
    "available_from": "TIMESTAMP",
    "attributes": "VARCHAR",
}


def check_names(frame: pd.DataFrame, possible: dict[str, str], table: str) -> None:
    """Raises DataError for a column of `frame` that a `table` does not have."""
    for column in map(str, frame.columns):
        if column not in possible:
            raise DataError(f"{table} have no column {column!r}: {near_matches(column, possible)}")


def as_ids(values: pd.Series) -> pd.Series:
    """Ids as strings: 7, 7.0 and "7" are all "7"; a missing or empty id is null."""
    if pd.api.types.is_float_dtype(values.dtype):
        known = values.dropna()
        if (known % 1 == 0).all():
            values = values.astype("Int64")
    elif values.dtype == object:
        values = values.map(lambda v: int(v) if isinstance(v, float) and v.is_integer() else v)
    strings = values.astype("string").astype(pd.StringDtype(na_value=np.nan))
    return strings.mask(strings == "")


def as_numbers(values: pd.Series, column: str) -> pd.Series:
    """Values as float64, NaN where missing; DataError with the row and value that is no finite number."""
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    bad = (numbers.isna() & values.notna()) | np.isinf(numbers)
    _refuse(bad, values, column, "is not a finite number")
    return numbers


def parse_times(
    values: pd.Series, column: str, *, unit: str | None = None, format: str | None = None
) -> pd.Series:
    """Values as datetimes, with a time zone only where they have one, NaT where missing.

    Strings are ISO 8601 unless `format` (as of strptime) says otherwise; numbers need their `unit` since
    1970 (s, ms, us). DataError names the first data row (from 1) that cannot be read, and its value.
    """
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values.dt.as_unit("us")
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return _from_numbers(values, column, unit)
    if unit is not None:
        return _from_numbers(as_numbers(values, column), column, unit)
    parsed = _parsed(values, format)
    wanted = f"the format {format}" if format else "an ISO 8601 time such as 2024-05-31 13:45:00"
    _refuse(parsed.isna() & values.notna(), values, column, f"is not {wanted}")
    return parsed


def as_times(values: pd.Series, column: str, *, required: bool = False) -> pd.Series:
    """Values as naive UTC datetimes of microseconds; a value without a time zone is taken to be UTC.

    DataError for a value that cannot be read and, where `required`, for a missing one.
    """
    times = parse_times(values, column)
    if times.dt.tz is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    if required and times.isna().any():
        row, n = int(times.isna().to_numpy().argmax()) + 1, int(times.isna().sum())
        raise DataError(
            f"{n:,} of {len(times):,} events have no {column} (first in row {row}): map another column, "
            "drop these rows, or leave the column out to use the order of the rows"
        )
    return times


def as_event_types(values: pd.Series) -> pd.Series:
    """Event types as strings; DataError with the row of one that is missing or not known."""
    types = values.astype("string").astype(pd.StringDtype(na_value=np.nan))
    unknown = ~types.isin(EVENT_TYPES)
    if unknown.any():
        row = int(unknown.to_numpy().argmax())
        given = types.iloc[row]
        hint = near_matches("" if pd.isna(given) else str(given), EVENT_TYPES)
        raise DataError(f"row {row + 1}: {values.iloc[row]!r} is not an event_type: {hint}")
    return types


def _from_numbers(values: pd.Series, column: str, unit: str | None) -> pd.Series:
    if unit not in ("s", "ms", "us"):
        given = "" if unit is None else f", not {unit!r}"
        raise DataError(f"{column} holds numbers: say with unit=s, ms or us what they count{given}")
    numbers = as_numbers(values, column)
    per_unit = {"s": 1_000_000, "ms": 1_000, "us": 1}[unit]
    too_large = numbers.abs() * per_unit > 2**62
    _refuse(too_large, values, column, f"is out of range for unit={unit}")
    if pd.api.types.is_integer_dtype(values.dtype):
        micros = values.astype("Int64") * per_unit  # float64 would round late microseconds
    else:
        micros = (numbers * per_unit).round().astype("Int64")
    times = micros.to_numpy(dtype="int64", na_value=np.iinfo(np.int64).min).view("datetime64[us]")
    return pd.Series(times, index=values.index)


def _parsed(values: pd.Series, format: str | None) -> pd.Series:
    wanted = format or "ISO8601"
    try:
        parsed = pd.to_datetime(values, errors="coerce", format=wanted)
    except ValueError:  # several time zones in one column
        parsed = pd.to_datetime(values, errors="coerce", format=wanted, utc=True)
    if not pd.api.types.is_datetime64_any_dtype(parsed.dtype):
        parsed = pd.to_datetime(values, errors="coerce", format=wanted, utc=True)
    return parsed.dt.as_unit("us")


def _refuse(bad: pd.Series, values: pd.Series, column: str, why: str) -> None:
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise DataError(f"row {row + 1}: {column} {values.iloc[row]!r} {why}")
