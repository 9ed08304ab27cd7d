"""The columns of an event log: names, types, and the conversion of raw values."""

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
    "cancelled_at": "TIMESTAMP",
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
KNOWN_FROM = "known_from"  # since when a row of items or users was known
ITEM_COLUMNS = {
    "item_id": "VARCHAR",
    "text": "VARCHAR",
    "category": "VARCHAR",
    "price": "DOUBLE",
    "available_from": "TIMESTAMP",
    "in_stock": "DOUBLE",  # a number of units, or true and false
    "attributes": "VARCHAR",
    KNOWN_FROM: "TIMESTAMP",
}
REQUIRED = ("user_id", "event_type")
ORDERS = ("timestamp", "position")  # one of them is required
_STRINGS = pd.StringDtype(na_value=np.nan)


def checked_events(events: pd.DataFrame) -> pd.DataFrame:
    """Events in the types of `EVENT_COLUMNS`; DataError names the row (from 1) at fault."""
    _check_names(events, EVENT_COLUMNS, "events")
    for column in REQUIRED:
        if column not in events:
            raise DataError(f"events need the column {column}: they have {_column_names(events)}")
    if "timestamp" not in events and "position" not in events:
        raise DataError("events need a timestamp, or a position where only their order is known")
    frame = pd.DataFrame(
        {c: _as_type(events[c], c, k) for c, k in EVENT_COLUMNS.items() if c in events}
    )
    ordered_by = "timestamp" if "timestamp" in frame else "position"
    _refuse_missing(frame[ordered_by], ordered_by)
    return frame


def checked_items(items: pd.DataFrame) -> pd.DataFrame:
    """Items in the types of `ITEM_COLUMNS`, sorted by id: one row each, or one a `known_from`."""
    _check_names(items, ITEM_COLUMNS, "items")
    frame = _with_unique_ids(items, "item_id", "items")
    for column in frame.columns.drop("item_id"):
        frame[column] = _as_type(frame[column], column, ITEM_COLUMNS[column])
    return frame


def checked_users(users: pd.DataFrame) -> pd.DataFrame:
    """Users, sorted by id: one row each, or one a `known_from`; columns of mixed types become strings."""
    frame = _with_unique_ids(users, "user_id", "users")
    for column in frame.columns:
        if pd.api.types.is_object_dtype(frame[column]) or pd.api.types.is_string_dtype(
            frame[column]
        ):
            frame[column] = as_strings(frame[column])
    return frame


def as_strings(values: pd.Series) -> pd.Series:
    """Values as strings, null where missing."""
    if values.dtype == _STRINGS:
        return values
    return values.astype("string").astype(_STRINGS)


def as_ids(values: pd.Series) -> pd.Series:
    """Ids as strings: 7, 7.0 and "7" are all "7"; a missing or empty id is null."""
    try:
        codes, distinct = pd.factorize(values)  # ids repeat: each becomes a string only once
    except TypeError:
        raise DataError(
            f"{values.name} holds lists or tables: it must hold one text or number a row"
        ) from None
    ids = pd.Series(distinct)
    if pd.api.types.is_float_dtype(ids.dtype) and (ids % 1 == 0).all():
        ids = ids.astype("int64")
    elif pd.api.types.is_object_dtype(ids.dtype):
        ids = ids.map(lambda v: int(v) if isinstance(v, float) and v.is_integer() else v)
    strings = as_strings(ids)
    # whole numbers that a CSV holds as floats
    if strings.head(1).str.endswith(".0").any() and strings.str.fullmatch(r"\d+\.0").all():
        strings = strings.str.removesuffix(".0")
    strings = strings.mask(strings == "")
    return strings.reindex(codes).set_axis(values.index)  # a code of -1 is null


def as_numbers(values: pd.Series, column: str) -> pd.Series:
    """Values as float64, NaN where missing; DataError for one that is not a finite number."""
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    bad = (numbers.isna() & values.notna()) | np.isinf(numbers)
    _refuse(bad, values, column, "is not a finite number")
    return numbers


def as_times(values: pd.Series, column: str) -> pd.Series:
    """Values as naive UTC datetimes in microseconds; a time without a zone is taken as UTC."""
    times = parse_times(values, column)
    if times.dt.tz is None:
        return times
    return times.dt.tz_convert("UTC").dt.tz_localize(None)


def parse_times(
    values: pd.Series, column: str, *, unit: str | None = None, format: str | None = None
) -> pd.Series:
    """Values as datetimes, with a time zone only where they carry one, NaT where missing.

    Strings are ISO 8601, or of the strptime `format`; numbers count from 1970 in `unit`: s, ms or
    us. DataError names the first wrong row (from 1).
    """
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values.dt.as_unit("us")
    if pd.api.types.is_numeric_dtype(values.dtype) or unit is not None:
        return _from_numbers(values, column, unit)
    parsed = _parsed(values, format)
    expected = f"of the format {format}" if format else "an ISO 8601 time like 2024-05-31 13:45:00"
    hint = "" if format else " (numbers need a unit, other forms a format)"
    _refuse(parsed.isna() & values.notna(), values, column, f"is not {expected}{hint}")
    return parsed


def _as_type(values: pd.Series, column: str, kind: str) -> pd.Series:
    if column == "event_type":
        return _as_event_types(values)
    if kind == "TIMESTAMP":
        return as_times(values, column)
    if kind == "VARCHAR":
        return as_ids(values)
    numbers = as_numbers(values, column)
    return numbers.astype("Int64") if kind == "BIGINT" else numbers


def _as_event_types(values: pd.Series) -> pd.Series:
    types = as_strings(values)
    unknown = ~types.isin(EVENT_TYPES)
    if unknown.any():
        row = int(unknown.to_numpy().argmax())
        hint = near_matches(str(values.iloc[row]), EVENT_TYPES)
        raise DataError(f"row {row + 1}: {values.iloc[row]!r} is not an event_type: {hint}")
    return types


def _from_numbers(values: pd.Series, column: str, unit: str | None) -> pd.Series:
    micros = {"s": 1_000_000, "ms": 1_000, "us": 1}
    if unit not in micros:
        wrong = "" if unit is None else f", not {unit!r}"
        raise DataError(f"{column} holds numbers: say with unit=s, ms or us what they count{wrong}")
    numbers = as_numbers(values, column)
    too_large = numbers.abs() * micros[unit] > 2**62
    _refuse(too_large, values, column, f"is out of range for unit={unit}")
    if pd.api.types.is_integer_dtype(values.dtype):
        since_1970 = values.astype("Int64") * micros[unit]  # exact, unlike float64
    else:
        since_1970 = (numbers * micros[unit]).round().astype("Int64")
    missing = np.iinfo(np.int64).min  # NaT
    times = since_1970.to_numpy(dtype="int64", na_value=missing).view("datetime64[us]")
    return pd.Series(times, index=values.index)


def _parsed(values: pd.Series, format: str | None) -> pd.Series:
    format = format or "ISO8601"
    try:
        parsed = pd.to_datetime(values, errors="coerce", format=format)
    except ValueError:  # values of several time zones, or an invalid format
        try:
            parsed = pd.to_datetime(values, errors="coerce", format=format, utc=True)
        except ValueError as error:
            raise DataError(f"timestamp_format={format}: {error}") from None
    return parsed.dt.as_unit("us")


def _with_unique_ids(frame: pd.DataFrame, column: str, table: str) -> pd.DataFrame:
    """The table sorted by id and `known_from`; DataError for a row without them, or two alike."""
    if column not in frame:
        raise DataError(f"{table} need the column {column}: they have {_column_names(frame)}")
    frame = frame.reset_index(drop=True)
    frame[column] = as_ids(frame[column])
    _refuse_missing(frame[column], f"{column} in {table}")
    key = [column]
    if KNOWN_FROM in frame:
        frame[KNOWN_FROM] = as_times(frame[KNOWN_FROM], KNOWN_FROM)
        _refuse_missing(frame[KNOWN_FROM], f"{KNOWN_FROM} in {table}")
        key = [column, KNOWN_FROM]
    twice = frame.duplicated(key)
    if twice.any():
        repeated = frame[column][twice].iloc[0]
        hint = "keep one row per id" if len(key) == 1 else f"keep one row per id and {KNOWN_FROM}"
        when = "" if len(key) == 1 else f" from {frame[KNOWN_FROM][twice].iloc[0]}"
        raise DataError(f"{table} hold {repeated!r} more than once{when}: {hint}")
    return frame.sort_values(key, ignore_index=True)


def _column_names(frame: pd.DataFrame) -> str:
    return ", ".join(map(str, frame.columns))


def _check_names(frame: pd.DataFrame, possible: dict[str, str], table: str) -> None:
    for column in map(str, frame.columns):
        if column not in possible:
            raise DataError(f"{table} have no column {column!r}: {near_matches(column, possible)}")


def _refuse_missing(values: pd.Series, what: str) -> None:
    if values.isna().any():
        row, n = int(values.isna().to_numpy().argmax()) + 1, int(values.isna().sum())
        raise DataError(
            f"row {row}: no {what} ({n:,} of {len(values):,} rows have none): "
            "drop these rows, or map another column"
        )


def _refuse(bad: pd.Series, values: pd.Series, column: str, why: str) -> None:
    if bad.any():
        row = int(bad.to_numpy().argmax())
        value = values.iloc[row]
        shown = repr(value) if isinstance(value, str) else str(value)
        raise DataError(f"row {row + 1}: {column} {shown} {why}")
