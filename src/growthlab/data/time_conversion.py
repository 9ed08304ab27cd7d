"""Raw times to naive UTC in microseconds, as SQL."""

from __future__ import annotations

from datetime import datetime
from math import isfinite

import duckdb
import numpy as np

from growthlab.core.errors import DataError
from growthlab.data.raw_column import Conversion, RawColumn
from growthlab.data.sql_text import quoted_text

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DAY = r"\d{4}-\d\d-\d\d"
_NAIVE = rf"{_DAY}([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?"
_AWARE = rf"{_DAY}[T ]\d\d:\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)"
_ZERO = "('0000-00-00', '0000-00-00 00:00:00', '0000-00-00T00:00:00', '0000-00-00T00:00:00Z')"
_LIKELY = (datetime(1990, 1, 1), datetime(2100, 1, 1))
_POSSIBLE = (datetime(1971, 1, 1), datetime(2200, 1, 1))


def time_conversion(
    column: RawColumn,
    name: str,
    *,
    unit: str | None = None,
    format: str | None = None,
    timezone: str | None = None,
) -> Conversion:
    """A time: of its own zone, or else of `timezone` (an IANA name; null: UTC).

    Texts are ISO 8601 or of the strptime `format`; numbers count from 1970 in `unit`: s, ms or us. A
    zero date is no time.

    Raises
    ------
    DataError
        Numbers without a unit, or a format that there is not.
    """
    if column.type.startswith(("TIMESTAMP", "DATE")):
        if column.has_zone:
            moment = f"CAST({column.raw} AS TIMESTAMPTZ)"  # of whatever precision
            return Conversion(column, f"({moment} AT TIME ZONE 'UTC')")
        return Conversion(column, _to_utc(f"CAST({column.raw} AS TIMESTAMP)", timezone))
    if column.is_number or unit is not None:
        return _from_number(column, name, unit)
    text = f"CASE WHEN trim({column.text}) IN {_ZERO} THEN NULL ELSE {column.text} END"
    if format is None:
        usual, value = _usual_iso(text, column.text), _iso(column.usual, timezone)
    else:
        usual, value = text, _formatted(column.usual, format, timezone)
    wrong = f"{text} IS NOT NULL AND {column.value} IS NULL"
    return Conversion(column, value, wrong, lambda cell: _not_a_time(name, cell, format), usual)


def unclear_time(
    column: RawColumn, *, unit: str | None, format: str | None, timezone: str | None
) -> str | None:
    """SQL of 1 where a local time occurred twice, of 2 where it never did, else 0; None: cannot be."""
    if timezone is None or (format is not None and "%z" in format):
        return None
    if column.type.startswith(("TIMESTAMP", "DATE")) and not column.has_zone:
        local = f"CAST({column.raw} AS TIMESTAMP)"
    elif not column.is_text or unit is not None:
        return None  # a number counts from a moment
    elif format is not None:
        local = f"TRY_CAST(try_strptime({column.usual}, {quoted_text(format)}) AS TIMESTAMP)"
    else:
        is_naive = f"regexp_full_match({column.usual}, '{_NAIVE}')"
        local = f"CASE WHEN {is_naive} THEN TRY_CAST({column.usual} AS TIMESTAMP) END"
    return f"unclear_local({local}, {quoted_text(timezone)})"


def likely_unit(value: float) -> str | None:
    """The unit in which a number is a time of these days, if there is one."""
    epoch = datetime(1970, 1, 1)
    for unit, micros in UNITS.items():
        seconds = value * micros / 1e6
        if (_LIKELY[0] - epoch).total_seconds() <= seconds < (_LIKELY[1] - epoch).total_seconds():
            return unit
    return None


def _to_utc(naive: str, timezone: str | None) -> str:
    return naive if timezone is None else f"utc_of_local({naive}, {quoted_text(timezone)})"


def _usual_iso(text: str, name: str) -> str:
    """SQL of a time in the form of `_NAIVE` or `_AWARE`; null where it is none."""
    is_usual = f"regexp_full_match({name}, '{_NAIVE}|{_AWARE}')"
    return (
        f"CASE WHEN {is_usual} THEN {name} WHEN {text} IS NOT NULL THEN other_iso_time({name}) END"
    )


def _iso(usual: str, timezone: str | None) -> str:
    """SQL of the time that such a text says."""
    joined = f"replace(replace({usual}, ' +', '+'), ' -', '-')"  # DuckDB takes no blank there
    minutes = rf"regexp_replace({joined}, '([+-]\d\d)(\d\d)?$', '\1:\2')"
    offset = rf"regexp_replace({minutes}, '([+-]\d\d):$', '\1:00')"
    colon = rf"CASE WHEN regexp_matches({usual}, '[+-]\d\d(\d\d)?$') THEN {offset} ELSE {usual} END"
    aware = f"(TRY_CAST({colon} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"
    naive = _to_utc(f"TRY_CAST({usual} AS TIMESTAMP)", timezone)
    return f"CASE WHEN regexp_full_match({usual}, '{_NAIVE}') THEN {naive} ELSE {aware} END"


def _formatted(text: str, format: str, timezone: str | None) -> str:
    try:
        datetime.strptime("", format)
    except ValueError as error:
        if "bad directive" in str(error) or "stray %" in str(error):
            raise DataError(f"timestamp_format={format}: {error}") from None
    parsed = f"try_strptime(trim({text}), {quoted_text(format)})"
    try:
        kind = duckdb.connect().execute(f"SELECT typeof(try_strptime('', {quoted_text(format)}))")
        has_zone = "TIME ZONE" in kind.fetchall()[0][0]
    except duckdb.Error as error:
        raise DataError(f"timestamp_format={format}: {str(error).splitlines()[0]}") from None
    return f"({parsed} AT TIME ZONE 'UTC')" if has_zone else _to_utc(parsed, timezone)


def _from_number(column: RawColumn, name: str, unit: str | None) -> Conversion:
    if unit not in UNITS:
        wrong = "" if unit is None else f", not {unit!r}"
        raise DataError(f"{name} holds numbers: say with unit=s, ms or us what they count{wrong}")
    factor, text = UNITS[unit], column.text
    number = f"TRY_CAST({text} AS DOUBLE)"
    exact = f"regexp_extract({text}, '^ *([+-]?\\d{{1,18}})(\\.0*)? *$', 1)"
    micros = f"coalesce(TRY_CAST({exact} AS HUGEINT) * {factor}, CAST(round({number} * {factor}) AS HUGEINT))"
    usual = f"CASE WHEN isfinite({number}) AND abs({number}) < {2**62 / factor} THEN {micros} END"
    value = f"make_timestamp(CAST({column.usual} AS BIGINT))"
    far = f"({column.usual} < {_micros(_POSSIBLE[0])} OR {column.usual} >= {_micros(_POSSIBLE[1])})"
    misread = " OR ".join(
        f"({number} * {other} >= {_micros(_LIKELY[0])} AND {number} * {other} < {_micros(_LIKELY[1])})"
        for key, other in UNITS.items()
        if key != unit
    )
    wrong = (
        f"{text} IS NOT NULL AND {number} IS DISTINCT FROM 0 "
        f"AND ({column.usual} IS NULL OR ({far} AND ({misread})))"
    )
    shown = repr if column.is_text else str
    return Conversion(
        column, value, wrong, lambda cell: _not_in_unit(name, shown(cell), cell, unit), usual
    )


def _not_a_time(name: str, cell: str, format: str | None) -> str:
    if format is not None:
        return f"{name} {cell!r} is not of the format {format}"
    expected = "an ISO 8601 time like 2024-05-31 13:45:00"
    hint = _unit_hint(cell) or "numbers need a unit, other forms a format: data.timestamp_format"
    return f"{name} {cell!r} is not {expected} ({hint})"


def _not_in_unit(name: str, shown: str, cell: str, unit: str) -> str:
    if not _is_finite(cell):
        return f"{name} {shown} is not a finite number"
    hint = _unit_hint(cell)
    return f"{name} {shown} is out of range for unit={unit}{hint and ': '}{hint}"


def _unit_hint(cell: str) -> str:
    """The setting of the unit in which a number would be a time of these days."""
    unit = likely_unit(float(cell)) if _is_finite(cell) else None
    if unit is None:
        return ""
    day = np.datetime64(int(float(cell) * UNITS[unit]), "us").astype("datetime64[D]")
    return f"as a number of {unit} it is {day}: say data.unit={unit}"


def _is_finite(cell: str) -> bool:
    try:
        return isfinite(float(cell))
    except ValueError:
        return False


def _micros(time: datetime) -> int:
    return int((time - datetime(1970, 1, 1)).total_seconds()) * 1_000_000
