"""Raw tables of events to the events of a log, in the database and not in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
import pandas as pd

from growthlab.core.errors import DataError, near_matches
from growthlab.data.cleaning_report import Dropped, report_of_counts
from growthlab.data.event_sql import value_of
from growthlab.data.kinds import EVENT_COLUMNS, EVENT_KINDS, ORDERS, SQL_TYPES, Kind
from growthlab.data.normalise import Currencies
from growthlab.data.readers.table_file import ROW, TableFile
from growthlab.data.staging import Staged, ValueFormat, stage
from growthlab.data.stored_rows import add_rows, show_rows

READING_KINDS: dict[str, Kind] = {"currency": "label", "source": "label"}  # not kept in the log
_STAGED = "staged_events"
Counts = tuple[int, int, int]


class EventsRead(NamedTuple):
    """The columns that hold anything, the rows of the cleaning report, and the currency of all prices."""

    columns: frozenset[str]
    cleaning: list[dict[str, Any]]
    currency: str | None


@dataclass(frozen=True, kw_only=True)
class EventReading:
    """How raw events are read.

    `event_type` is that of every event, if no column holds it. `currency` is that of all prices, if no
    column holds it, and `rates` the value of one unit of each. `source` is that of all ids, if no column
    holds it (null: the file's name), and `identities` the table of an `IdentityMap`.
    """

    values: ValueFormat = field(default_factory=ValueFormat)
    event_type: str | None = None
    drop_undated: bool = False
    currency: str | None = None
    rates: Mapping[str, float] | None = None
    source: str | None = None
    identities: pd.DataFrame | None = None
    extra: Mapping[str, Kind] = field(default_factory=dict)


def read_events(
    connection: duckdb.DuckDBPyConnection,
    tables: Iterable[TableFile],
    columns: Mapping[str, str | None],
    reading: EventReading,
    target: str,
) -> EventsRead:
    """Write the events of all tables, and show them as the view `target`, with all columns of a log.

    `columns` maps our names to those of the tables.

    Raises
    ------
    DataError
        A column that is missing, or the first row that cannot be read, with its table; or prices in
        several currencies without rates.
    """
    report: list[dict[str, Any]] = []
    orders: list[set[str]] = []
    currencies: set[str] = set()
    priced = False
    rows = f"{target}_rows"
    for number, table in enumerate(tables):
        try:
            read = _TableEvents(connection, table, reading, report)
            read.stage(columns)
            read.set_types()
            read.drop_undated()
            read.set_prices()
            read.join_identities()
            currencies |= read.currencies()
            read.insert(rows, number)
            priced |= "unit_price" in read.columns
            orders.append({c for c in ORDERS if c in read.columns})
        except DataError as error:
            raise DataError(_with_file(table, str(error))) from None
    connection.execute(f"DROP TABLE IF EXISTS {_STAGED}")
    refuse_other_orders(orders)
    if reading.rates is not None and not priced:
        raise DataError(
            "data.rates converts prices, and there are none: map their column with "
            "data.columns.unit_price, or leave data.rates out"
        )
    currency = one_currency(currencies)
    kinds = EVENT_COLUMNS | {column: SQL_TYPES[kind] for column, kind in reading.extra.items()}
    present = show_rows(connection, rows, target, kinds, set.union(set(), *orders))
    return EventsRead(present, report, currency)


def one_currency(currencies: Collection[str]) -> str | None:
    """The currency of all prices, None where none is named; DataError for several."""
    if len(currencies) > 1:
        rates = ", ".join(f"{currency}: ..." for currency in sorted(currencies))
        raise DataError(
            f"prices are in {' and '.join(sorted(currencies))}, whose sums mean nothing: say what one unit "
            f"of each is worth in one currency with data.rates={{{rates}}}"
        )
    return next(iter(currencies), None)


def refuse_other_orders(orders: Sequence[Collection[str]]) -> None:
    """Raise a `DataError` where files have different ones of the columns that order events."""
    if any(order != orders[0] for order in orders):
        differing = " and ".join(sorted(set().union(*orders)))
        raise DataError(
            f"some files have {differing} and others have not: map the column in all of them, or leave it "
            "out with data.columns.timestamp=none"
        )


def _with_file(table: TableFile, message: str) -> str:
    name = table.path.name
    return message if not name or name in message else f"{table.title}: {message}"


class _TableEvents:
    """The events of one table, in stages."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: TableFile,
        reading: EventReading,
        report: list[dict[str, Any]],
    ) -> None:
        self._connection = connection
        self._table = table
        self._reading = reading
        self._report = report
        self.columns: set[str] = set()
        self._signs: frozenset[str] = frozenset()  # the currencies that prices name in their cells

    def stage(self, columns: Mapping[str, str | None]) -> None:
        """Read the rows in their types, and say what reading has repaired."""
        reading = self._reading
        wanted = dict(columns)
        if reading.event_type is not None:
            wanted.pop("event_type", None)
        wanted |= dict.fromkeys(reading.extra)
        kinds = {**EVENT_KINDS, **READING_KINDS, **reading.extra}
        staged = stage(self._connection, self._table, wanted, kinds, _STAGED, reading.values)
        if not (staged.n_rows or staged.n_bad or self._table.may_be_empty):
            raise DataError(f"{self._table.path} has no rows below its header")
        self.columns = set(staged.columns)
        self._signs = staged.currencies.get("unit_price", frozenset())
        self._tell(staged)

    def _tell(self, staged: Staged) -> None:
        tidied = "blanks, width, invisible signs or the point of a number do not tell ids apart"
        twice = "clocks went back and the hour occurred twice: taken as the first"
        never = "clocks went forward and the hour was skipped: taken as its end"
        changes = [("ids respelt", tidied, staged.n_respelt)]
        for why, counts in ((twice, staged.n_twice), (never, staged.n_never)):
            changes += [(f"unclear local {column}", why, n) for column, n in counts.items()]
        changes = [(rule, why, n) for rule, why, n in changes if n]
        if not (staged.n_bad or changes):
            return
        after = self._counts()
        if staged.n_bad:
            why = "data.max_bad_rows lets them be left out"
            before = (after[0] + staged.n_bad, *after[1:])
            self._report.append(report_of_counts("unreadable rows", why, before, after, 0))
        for rule, why, n in changes:
            self._report.append(report_of_counts(rule, why, after, after, n))

    def set_types(self) -> None:
        """Give every event its type, and drop those whose word means nothing here."""
        if self._reading.event_type is not None:
            return
        if "event_type" not in self.columns:
            raise DataError(
                "no column of event types: map one with data.columns.event_type, or give all events "
                "the same type with data.event_type=purchase"
            )
        why = "data.event_types says that these words are to be dropped"
        self._drop("words dropped", why, "event_type = ''")

    def drop_undated(self) -> None:
        """Drop the events without a time, where that is allowed."""
        order = "timestamp" if "timestamp" in self.columns else "position"
        if order not in self.columns:
            return
        self._forget_zero_times()
        n, row = self._connection.execute(
            f"SELECT count(*), min({ROW}) FROM {_STAGED} WHERE {order} IS NULL"
        ).fetchall()[0]
        if not n:
            return
        if not (self._reading.drop_undated and order == "timestamp"):
            total = self._counts()[0]
            hint = "drop these rows, or map another column"
            if order == "timestamp":
                hint = (
                    "map another column with data.columns.timestamp, or drop them with "
                    "data.drop_undated=true"
                )
            raise DataError(f"row {row}: no {order} ({n:,} of {total:,} rows have none): {hint}")
        why = "drop_undated: an event without a time has no place in a history"
        self._drop("no timestamp", why, "timestamp IS NULL")

    def _forget_zero_times(self) -> None:
        """A zero, which counts as 1970, is no time among times of these days."""
        for column in ("timestamp", "ingested_at", "cancelled_at"):
            if column in self.columns:
                zero, recent = "TIMESTAMP '1970-01-01'", "TIMESTAMP '1990-01-01'"
                self._connection.execute(
                    f"UPDATE {_STAGED} SET {column} = NULL WHERE {column} = {zero} "
                    f"AND (SELECT max({column}) >= {recent} FROM {_STAGED})"
                )

    def _drop(self, rule: str, why: str, condition: str) -> None:
        (n,) = self._connection.execute(
            f"SELECT count(*) FROM {_STAGED} WHERE {condition}"
        ).fetchall()[0]
        if n:
            before, all_value = self._counts(), self._value()
            lost = Dropped(self._n_users(condition), (all_value, self._value(f"NOT ({condition})")))
            self._connection.execute(f"DELETE FROM {_STAGED} WHERE {condition}")
            self._report.append(report_of_counts(rule, why, before, self._counts(), 0, lost))

    def set_prices(self) -> None:
        """Convert prices to one currency, where rates are given."""
        rates, one = self._reading.rates, self._reading.currency
        if rates is None or "unit_price" not in self.columns:
            return
        if "currency" not in self.columns and one is None:
            raise DataError(
                "data.rates needs the currency of each price: map its column with "
                "data.columns.currency, or give all prices the same currency with data.currency=EUR"
            )
        known = pd.DataFrame(Currencies(rates).rates.items(), columns=["currency", "rate"])
        self._connection.register("rates", known)
        currency = "currency" if "currency" in self.columns else "?"
        given = [] if "currency" in self.columns else [one]
        rate = f"(SELECT rate FROM rates WHERE rates.currency = {_STAGED}.currency)"
        if given:
            self._connection.execute(f"ALTER TABLE {_STAGED} ADD COLUMN currency VARCHAR")
            self._connection.execute(f"UPDATE {_STAGED} SET currency = {currency}", given)
        wrong = self._connection.execute(
            f"SELECT {ROW}, currency FROM {_STAGED} WHERE unit_price IS NOT NULL AND {rate} IS NULL "
            f"ORDER BY {ROW} LIMIT 1"
        ).fetchall()
        if wrong:
            row, name = wrong[0]
            hint = near_matches(str(name), rates)
            raise DataError(f"row {row}: no rate for the currency {name!r}: {hint}")
        self._connection.execute(f"UPDATE {_STAGED} SET unit_price = unit_price * {rate}")
        self._connection.unregister("rates")

    def currencies(self) -> set[str]:
        """The currencies that the prices are in now, as far as they are named."""
        rates, one = self._reading.rates, self._reading.currency
        if "unit_price" not in self.columns:
            return set()
        if rates is not None:
            bases = {currency for currency, rate in rates.items() if rate == 1}
            return bases if len(bases) == 1 else set()
        if "currency" not in self.columns:
            if len(self._signs) > 1:
                raise DataError(
                    f"unit_price is in {' and '.join(sorted(self._signs))}, whose sums mean nothing: map a "
                    "column with the currency of each row (data.columns.currency) and give data.rates"
                )
            return set(self._signs) if one is None else {one}
        named = self._connection.execute(
            f"SELECT DISTINCT currency FROM {_STAGED} "
            "WHERE unit_price IS NOT NULL AND currency IS NOT NULL"
        )
        return {str(currency) for (currency,) in named.fetchall()}

    def join_identities(self) -> None:
        """Replace the ids of a source by those of the identity map."""
        if self._reading.identities is None:
            return
        before = self._counts()
        source = f'{_STAGED}."source"' if "source" in self.columns else "?"
        given = [] if "source" in self.columns else [self._reading.source or self._table.path.stem]
        self._connection.register("identities", self._reading.identities)
        self._connection.execute(
            f"CREATE OR REPLACE TABLE joined AS SELECT {_STAGED}.* REPLACE ("
            f"coalesce(identities.user_id, {source} || ':' || {_STAGED}.user_id) AS user_id), "
            f"identities.user_id IS NULL AND {_STAGED}.user_id IS NOT NULL AS unmapped "
            f"FROM {_STAGED} LEFT JOIN identities ON identities.source = {source} "
            f"AND identities.source_id = {_STAGED}.user_id",
            given * 2,
        )
        (n,) = self._connection.execute(
            "SELECT count(DISTINCT user_id) FROM joined WHERE unmapped"
        ).fetchall()[0]
        self._connection.execute(f"DROP TABLE {_STAGED}")
        self._connection.execute(f"ALTER TABLE joined RENAME TO {_STAGED}")
        self._connection.unregister("identities")
        why = f"{n:,} ids are not in the identity map: kept as source:id"
        self._report.append(
            report_of_counts("identities joined", why, before, self._counts(), before[0])
        )

    def insert(self, rows: str, number: int) -> None:
        """Add the staged events to the log's."""
        columns = [c for c in (*EVENT_COLUMNS, *self._reading.extra) if c in self.columns]
        if self._reading.event_type is not None:
            self._connection.execute(
                f"ALTER TABLE {_STAGED} ADD COLUMN event_type VARCHAR "
                f"DEFAULT '{self._reading.event_type}'"
            )
            columns.append("event_type")
        add_rows(self._connection, rows, _STAGED, columns, number)

    def _n_users(self, condition: str) -> int:
        """How many users have rows of a condition."""
        if "user_id" not in self.columns:
            return 0
        sql = f"SELECT count(DISTINCT user_id) FROM {_STAGED} WHERE {condition}"
        return int(self._connection.execute(sql).fetchall()[0][0])

    def _value(self, condition: str = "true") -> float | None:
        """The money of the lines of a condition; None without prices, or before they are converted."""
        rows, columns = _STAGED, self.columns
        if self._reading.event_type is not None:
            rows = f"(SELECT *, '{self._reading.event_type}' AS event_type FROM {_STAGED})"
            columns = columns | {"event_type"}
        if self._reading.rates is not None:
            return None
        sql = f"SELECT {value_of(columns)} FROM {rows} WHERE {condition}"
        value: float | None = self._connection.execute(sql).fetchall()[0][0]
        return value

    def _counts(self) -> Counts:
        ids = [f"count(DISTINCT {c})" if c in self.columns else "0" for c in ("user_id", "item_id")]
        n, users, items = self._connection.execute(
            f"SELECT count(*), {', '.join(ids)} FROM {_STAGED}"
        ).fetchall()[0]
        return int(n), int(users), int(items)
