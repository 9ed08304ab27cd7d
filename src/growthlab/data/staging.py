"""A raw table, staged in the database: its columns in their types, its wrong rows refused or counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.ids import lost_digits
from growthlab.data.conversions import (
    currency_sign,
    event_type_conversion,
    id_conversion,
    number_conversion,
    text_conversion,
    text_sql,
    whole_number_conversion,
)
from growthlab.data.kinds import Kind
from growthlab.data.normalise import local_zone
from growthlab.data.number_format import NumberFormat, number_format
from growthlab.data.raw_column import Conversion, RawColumn
from growthlab.data.readers.table_file import ROW, TableFile
from growthlab.data.time_conversion import time_conversion, unclear_time

logger = logging.getLogger(__name__)

NOT_READ = "none"  # typed in place of a column's name
SAMPLE_ROWS = 1_000
_WITH_EXPONENT = r"-?\d(\.\d*)?[eE]\+?\d{1,3}"
_NUMBERISH = r"-?\d+(\.\d*([eE][+-]?\d{1,3})?|[eE]\+\d{1,3})?"


@dataclass(frozen=True, kw_only=True)
class ValueFormat:
    """How values are written, as far as the file's types do not say it.

    `unit`, `timestamp_format` and `timezone` are those of `time_conversion`; `decimal` and `thousands`
    the signs in numbers, null as they are found out; `event_types` the words of the file.
    """

    unit: str | None = None
    timestamp_format: str | None = None
    timezone: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    event_types: Mapping[str, str | None] | None = None

    @property
    def times(self) -> dict[str, str | None]:
        """What `time_conversion` needs."""
        return {"unit": self.unit, "format": self.timestamp_format, "timezone": self.timezone}

    def __post_init__(self) -> None:
        signs = {"decimal": self.decimal, "thousands": self.thousands}
        for name, sign in signs.items():
            if sign is not None and (len(sign) != 1 or sign.isdigit() or sign in "+-"):
                raise ConfigError(
                    f"data.{name}={sign!r} must be one sign, such as a comma or a point"
                )
        if self.decimal is not None and self.decimal == self.thousands:
            raise ConfigError(f"data.decimal and data.thousands are both {self.decimal!r}")


@dataclass(frozen=True)
class Staged:
    """A staged table: its name in the database, its columns, and what was repaired.

    `n_respelt` are the rows in which an id was spelt in another way, `n_twice` and `n_never` those with a
    local time that occurred twice or never, by column, and `currencies` those that amounts in texts name.
    """

    table: str
    columns: tuple[str, ...]
    n_rows: int
    n_bad: int
    n_respelt: int
    n_twice: Mapping[str, int]
    n_never: Mapping[str, int]
    currencies: Mapping[str, frozenset[str]]


def stage(
    connection: duckdb.DuckDBPyConnection,
    source: TableFile,
    columns: Mapping[str, str | None],
    kinds: Mapping[str, Kind],
    name: str,
    values: ValueFormat | None = None,
) -> Staged:
    """Write the rows of a raw table into the table `name`, with `ROW` and our columns.

    `columns` maps our names to the table's: null means the same name, where the table has it, and
    `NOT_READ` that it is not read. `kinds` says what each of our columns holds.

    Raises
    ------
    DataError
        A column that is missing, or the first row with a cell that cannot be read.
    """
    values = values or ValueFormat()
    if values.timezone is not None:
        local_zone(values.timezone)  # raises where there is none
    places = _places(source, columns)
    raw = {ours: RawColumn(n, source.types[p]) for n, (ours, p) in enumerate(places.items())}
    numbers = _number_format(connection, source, places, raw, kinds, values)
    made = {c: _conversion(r, c, kinds[c], values, numbers) for c, r in raw.items()}
    unclear = {
        c: sql
        for c, r in raw.items()
        if kinds[c] == "time" and (sql := unclear_time(r, **values.times)) is not None
    }
    amounts = {c: currency_sign(r) for c, r in raw.items() if r.is_text and kinds[c] == "money"}
    respelt = [
        f"({r.text} IS NOT NULL AND {r.text} IS DISTINCT FROM {r.value})"
        for c, r in raw.items()
        if r.is_text and kinds[c] == "id"
    ]
    selected = [
        ROW,
        *(f'{r.value} AS "{c}"' for c, r in raw.items()),
        f"({' OR '.join(respelt) or 'false'}) AS respelt",
        f"{_case(made, lambda n, c: str(n))} AS problem",
        f"{_case(made, lambda n, c: c.column.text)} AS cell",
        *(f'{sql} AS "unclear {c}"' for c, sql in unclear.items()),
        *(f'{sql} AS "currency {c}"' for c, sql in amounts.items()),
    ]
    relation = source.relation(connection, list(places.values()))
    for layer in _layers(list(made.values())):
        relation = f"(SELECT *, {layer} FROM {relation})" if layer else relation
    try:
        connection.execute(
            f"CREATE OR REPLACE TABLE {name} AS SELECT {', '.join(selected)} FROM {relation}"
        )
    except duckdb.Error as error:
        raise source.raised(error) from None
    _refuse_problems(connection, source, name, list(made.values()))
    for c, r in raw.items():
        if kinds[c] in ("id", "label"):
            _write_whole_numbers(connection, name, c, is_id=kinds[c] == "id", is_text=r.is_text)
    return _finished(connection, source, name, tuple(made), tuple(unclear), tuple(amounts))


def _places(source: TableFile, columns: Mapping[str, str | None]) -> dict[str, int]:
    """The place of each of our columns that the table has."""
    places = {}
    for ours, theirs in columns.items():
        if theirs == NOT_READ and NOT_READ not in source.names:
            continue
        if theirs is None and ours not in source.names:
            continue
        places[ours] = source.place_of(theirs or ours, ours)
    return places


def _conversion(
    column: RawColumn, name: str, kind: Kind, values: ValueFormat, numbers: NumberFormat
) -> Conversion:
    if kind == "event type":
        return event_type_conversion(column, values.event_types or {})
    if kind == "time":
        return time_conversion(
            column,
            name,
            **values.times,
        )
    if kind in ("number", "money", "stock"):
        format = replace(numbers, is_money=kind == "money")
        return number_conversion(column, name, format, true_is_one=kind == "stock")
    if kind == "whole number":
        return whole_number_conversion(column, name)
    return text_conversion(column) if kind == "text" else id_conversion(column, name)


def _number_format(
    connection: duckdb.DuckDBPyConnection,
    source: TableFile,
    places: Mapping[str, int],
    raw: Mapping[str, RawColumn],
    kinds: Mapping[str, Kind],
    values: ValueFormat,
) -> NumberFormat:
    """The signs in numbers: as set, or as the first rows show them."""
    if values.decimal is not None or values.thousands is not None:
        decimal = values.decimal or ("," if values.thousands == "." else ".")
        return NumberFormat(decimal=decimal, thousands=values.thousands or "")
    texts = [c for c, r in raw.items() if r.is_text and kinds[c] in ("number", "money", "stock")]
    if not texts:
        return NumberFormat()
    chosen = [places[c] for c in texts]
    columns = ", ".join(f"c{n}" for n in range(len(chosen)))
    relation = source.relation(connection, chosen)
    try:
        rows = connection.execute(f"SELECT {columns} FROM {relation} LIMIT {SAMPLE_ROWS}")
        cells = [str(cell) for row in rows.fetchall() for cell in row if cell is not None]
    except duckdb.Error as error:
        raise source.raised(error) from None
    source.bad_rows.clear()
    found = number_format(cells)
    if found != NumberFormat():
        logger.info(
            "%s: numbers are read with the decimal sign %s%s",
            source.title,
            found.decimal,
            f" and {found.thousands} between thousands" if found.thousands else "",
        )
    return found


def _layers(made: Sequence[Conversion]) -> list[str]:
    """What each layer of the conversions adds to the columns of the one before it."""
    texts = [f"{text_sql(c.column)} AS {c.column.text}" for c in made]
    usual = [f"{c.usual} AS {c.column.usual}" for c in made]
    values = [f"{c.value} AS {c.column.value}" for c in made]
    return [", ".join(layer) for layer in (texts, usual, values)]


def _case(made: Mapping[str, Conversion], then: Callable[[int, Conversion], str]) -> str:
    """SQL of what holds for the first wrong column of a row; null for a row without one."""
    parts = [
        f"WHEN {c.wrong} THEN {then(n, c)}"
        for n, c in enumerate(made.values())
        if c.wrong != "false"
    ]
    return f"CASE {' '.join(parts)} END" if parts else "NULL"


def _refuse_problems(
    connection: duckdb.DuckDBPyConnection,
    source: TableFile,
    name: str,
    made: Sequence[Conversion],
) -> None:
    """Leave out rows with a wrong cell, up to the number that the source allows."""
    wrong = connection.execute(
        f"SELECT {ROW}, problem, cell FROM {name} WHERE problem IS NOT NULL ORDER BY {ROW} "
        f"LIMIT {source.max_bad_rows + 1}"
    ).fetchall()
    for row, problem, cell in wrong:
        source.refuse_row(row, made[int(problem)].explain(cell))
    if wrong:
        connection.execute(f"DELETE FROM {name} WHERE problem IS NOT NULL")


def _write_whole_numbers(
    connection: duckdb.DuckDBPyConnection, name: str, column: str, *, is_id: bool, is_text: bool
) -> None:
    """Write 7.0 as 7 where all ids of a column are whole numbers; DataError where digits were lost."""
    c = f'"{column}"'
    if is_id:
        _refuse_lost(connection, name, column, f"regexp_full_match({c}, '{_WITH_EXPONENT}')")
    odd = f"NOT regexp_full_match({c}, '-?\\d+')"
    other_text = f"SELECT 1 FROM {name} WHERE NOT regexp_full_match({c}, '{_NUMBERISH}') LIMIT 1"
    if connection.execute(other_text).fetchall():
        return
    (any_odd,) = connection.execute(f"SELECT bool_or({odd}) FROM {name}").fetchall()[0]
    if not any_odd:
        return
    if is_id:
        _refuse_lost(connection, name, column, odd)
    (whole,) = connection.execute(
        f"SELECT bool_and(is_whole_number({c})) FROM {name} WHERE {odd}"
    ).fetchall()[0]
    if whole:
        is_respelt = "true" if is_id and is_text else "respelt"
        connection.execute(
            f"UPDATE {name} SET respelt = {is_respelt}, {c} = whole_number_or_text({c}) WHERE {odd}"
        )


def _refuse_lost(
    connection: duckdb.DuckDBPyConnection, name: str, column: str, condition: str
) -> None:
    """DataError for the first id under the condition that is a number with too few digits."""
    row, cell = connection.execute(
        f'SELECT min({ROW}), arg_min("{column}", {ROW}) FROM {name} '
        f'WHERE {condition} AND has_lost_digits("{column}")'
    ).fetchall()[0]
    if row is not None:
        raise DataError(f"row {row}: {lost_digits(column, cell)}")


def _finished(
    connection: duckdb.DuckDBPyConnection,
    source: TableFile,
    name: str,
    columns: tuple[str, ...],
    unclear: tuple[str, ...],
    amounts: tuple[str, ...],
) -> Staged:
    counts = ["count(*)", "count(*) FILTER (respelt)"]
    for c in unclear:
        counts += [f'count(*) FILTER ("unclear {c}" = {n})' for n in (1, 2)]
    n_rows, n_respelt, *n_unclear = connection.execute(
        f"SELECT {', '.join(counts)} FROM {name}"
    ).fetchall()[0]
    named = {
        c: connection.execute(f'SELECT DISTINCT "currency {c}" FROM {name}').fetchall()
        for c in amounts
    }
    return Staged(
        name,
        columns,
        n_rows,
        len(source.bad_rows),
        n_respelt,
        dict(zip(unclear, n_unclear[::2], strict=True)),
        dict(zip(unclear, n_unclear[1::2], strict=True)),
        {c: frozenset(str(sign) for (sign,) in rows if sign) for c, rows in named.items()},
    )
