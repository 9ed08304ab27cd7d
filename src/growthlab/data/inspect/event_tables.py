"""Tables of events: how each is read, and which of them are parts of one log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from growthlab.data.inspect.event_types import EventTypes, event_types
from growthlab.data.inspect.selects import EventSelect, joined, of_one_table
from growthlab.data.inspect.table_roles import RoleOfTable, with_role
from growthlab.data.inspect.time_format import TimeFormat, time_format
from growthlab.data.kinds import EVENT_KINDS
from growthlab.data.number_format import NumberFormat, number_format
from growthlab.data.sql_text import quoted_name, quoted_text

AMOUNTS = ("number", "money")
TIMES = ("timestamp", "cancelled_at")
JOINED = ("orders", "lines", "customers")  # names of tables that are joined


@dataclass(frozen=True)
class SampledEvents:
    """A table with the columns of events, what its words mean, and its SELECT where a mapping does not do."""

    table: RoleOfTable
    types: EventTypes
    select: EventSelect | None
    has_returns: bool

    @property
    def sources(self) -> dict[str, str]:
        """SQL of each of our columns; under an empty name what they come from."""
        if self.select is None:
            return {ours: quoted_name(name) for ours, name in self.table.columns.items()}
        return {**self.select.columns, "": self.select.source}

    @property
    def times(self) -> tuple[str | None, str | None] | None:
        """The unit and the format of the times; None where there are no times."""
        if "timestamp" not in self.table.columns:
            return None
        return _settings_of(time_format(self.table.sample.column(self.table.columns["timestamp"])))

    @property
    def kinds(self) -> set[str]:
        """The event types that it holds."""
        if self.types.column is None:
            return {str(self.types.one)} | ({"return"} if self.has_returns else set())
        said = self.table.sample.words(self.types.column)
        return {kind for word in said if (kind := self.types.words.get(word, word)) is not None}

    def as_select(self, name: str) -> EventSelect:
        """Its SELECT, with the types of events that a name says; `name` is what its table is called."""
        select = self.select
        if select is None:
            columns = {ours: quoted_name(theirs) for ours, theirs in self.table.columns.items()}
            select = EventSelect(columns, name, {name: self.table.sample})
        if "event_type" in select.columns:
            return select
        one = {"event_type": quoted_text(str(self.types.one))}
        return replace(select, columns={**select.columns, **one})


def united_sql(selects: Sequence[EventSelect]) -> str:
    """One SELECT for the rows of several, one below the other."""
    return "UNION ALL BY NAME\n".join(select.sql for select in selects)


def events_of_table(
    table: RoleOfTable, tables: Sequence[RoleOfTable], name: str = "events"
) -> SampledEvents:
    """How a table of events is read, or of orders whose lines are among `tables`; `name` is for a SELECT."""
    types = event_types(table.sample, table.columns)
    table = replace(table, columns=_event_columns(table, types.column))
    lines = with_role(tables, "lines") if table.role == "orders" else []
    if lines:
        others = [t for t in tables if t.sample not in (table.sample, lines[0].sample)]
        select = joined(table, lines[0], others, no_word=types.no_word)
        return SampledEvents(table, types, select, has_returns=False)
    has_returns = types.column is None and _has_returns(table)
    select = of_one_table(table, has_returns=has_returns, no_word=types.no_word, name=name)
    return SampledEvents(table, types, select, has_returns)


def parts_of_one_log(
    tables: Sequence[RoleOfTable], others: Sequence[RoleOfTable]
) -> list[tuple[str, SampledEvents]]:
    """The first of the tables and those that hold other kinds of events, written in the same way, by names.

    One alone where there is no such table. `others` are the tables that orders may be joined with.
    """
    names: list[str] = []
    parts: list[tuple[str, SampledEvents]] = []
    for table in tables:
        names.append(_name(table, [*JOINED, *names]))
        part = events_of_table(table, others, names[-1])
        if not parts or all(_fit_together(kept, part) for _, kept in parts):
            parts.append((names[-1], part))
    return parts


def words_of(parts: Sequence[SampledEvents]) -> dict[str, str | None]:
    """What the words of all parts mean, as far as it has to be said."""
    return {w: kind for part in parts for w, kind in part.types.words.items()}


def numbers_of(table: RoleOfTable) -> NumberFormat | None:
    """How the amounts are written, as the reader finds it out; None where there are none."""
    columns = [
        table.sample.column(n) for o, n in table.columns.items() if EVENT_KINDS[o] in AMOUNTS
    ]
    cells = [cell for column in columns if column.is_text for cell in column.known]
    return number_format(cells) if cells else None


def _fit_together(one: SampledEvents, other: SampledEvents) -> bool:
    """Whether two tables can be one log: other events, times and amounts written in the same way."""
    if one.times is None or one.times != other.times or one.kinds & other.kinds:
        return False
    if any(part.table.sample.format.sheet is not None for part in (one, other)):
        return False
    numbers = [numbers_of(part.table) for part in (one, other)]
    if None not in numbers and numbers[0] != numbers[1]:
        return False
    meant = [_meanings(part) for part in (one, other)]
    return all(meant[0][word] == meant[1][word] for word in meant[0].keys() & meant[1].keys())


def _meanings(part: SampledEvents) -> Mapping[str, str | None]:
    own = {kind: kind for kind in part.kinds}
    return {**own, **part.types.words}


def _name(table: RoleOfTable, taken: Sequence[str]) -> str:
    """A name for a table in SQL, from that of its first file."""
    stem = re.sub(r"\W+", "_", table.sample.files[0].name.partition(".")[0]).strip("_").lower()
    name = base = stem if stem.isidentifier() else f"events_{stem}".rstrip("_")
    n = 1
    while name in taken:
        n += 1
        name = f"{base}_{n}"
    return name


def _event_columns(table: RoleOfTable, event_type: str | None) -> dict[str, str]:
    """The mapping without what is no column of events, or is written in another way."""
    columns = {ours: name for ours, name in table.columns.items() if ours != "status"}
    columns.pop("event_type", None)
    if event_type is not None:
        columns["event_type"] = event_type
    if "timestamp" in columns:
        columns.pop("position", None)
        if "cancelled_at" in columns:
            times = [time_format(table.sample.column(columns[ours])) for ours in TIMES]
            if _settings_of(times[0]) != _settings_of(times[1]):
                columns.pop("cancelled_at")
    return {ours: columns[ours] for ours in EVENT_KINDS if ours in columns}


def _has_returns(table: RoleOfTable) -> bool:
    """Whether some quantities are negative."""
    if "quantity" not in table.columns:
        return False
    return table.sample.has_negative(table.columns["quantity"])


def _settings_of(format: TimeFormat | None) -> tuple[str | None, str | None] | None:
    return None if format is None else (format.unit, format.format)
