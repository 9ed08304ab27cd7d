"""Protection of all tables that leave together: figures of small groups, and what would give them away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import pandas as pd

from growthlab.insight.counts import CellCounts, growing_key
from growthlab.insight.disclosure_audit import Count, CountSystem, NamedSum
from growthlab.insight.findings import WHOLE_UNITS, ReportTable
from growthlab.insight.report_scope import SMALLEST_GROUP

Bounds = Mapping[str, tuple[float, float]]
SECONDARY = 1e-3  # cost of a figure that is withheld before others


@dataclass(frozen=True)
class ProtectedTables:
    """Tables with figures withheld, and the bounds of each named count that a reader is shown.

    `given_away` are the small groups that can be worked out whatever is withheld, because an earlier
    report has shown too much.
    """

    tables: tuple[ReportTable, ...]
    shown: Bounds
    given_away: tuple[str, ...]


def protect_tables(
    tables: Sequence[ReportTable], min_group: int, earlier: Bounds | None = None
) -> ProtectedTables:
    """The tables with null in place of figures of fewer than `min_group` customers.

    The number of those of a group who did something may be smaller, but not smaller than
    `SMALLEST_GROUP`, and as many must not have done it; 0 is withheld as well, since "none of the
    group did it" is a statement about each member. Further figures are withheld until all tables
    together, and what an `earlier` report has shown of the same counts, give no small group away:
    see `CountSystem.protect`. A withheld count keeps its band, such as "under 50", where it can.
    """
    cells = [list(_cells(table, min_group)) for table in tables]
    counts = {n: Count(value) for table in tables for n, value in table.named_counts().items()}
    named = {n for t in tables for names in t.count_names.values() for n in names} & set(counts)
    for cell in (cell for each in cells for cell in each):
        cell.register(counts)
    for name in (name for table in tables for name in table.counts):
        counts[name].ask(counts[name].least or SMALLEST_GROUP)
    sums = [*_sums(tables, counts), *_rests(tables, counts)]
    for count in counts.values():
        count.decide()
    for name in (n for table in tables for n in table.public):
        counts[name].make_public()
    for name, (low, high) in (earlier or {}).items():
        _take_earlier(counts, name, low, high)
    named |= set(counts) & set(earlier or {})
    sums += _sums_over_time(counts, {n: key for n in sorted(named) if (key := growing_key(n))})
    system = CountSystem(counts, list(dict.fromkeys(sums)))
    system.protect()
    return ProtectedTables(
        tuple(_protected(*pair, counts) for pair in zip(tables, cells, strict=True)),
        {n: (c.low, c.high) for n in sorted(named) if not (c := counts[n]).unknown},
        tuple(sorted(system.given_away | {n for n, c in counts.items() if c.guarded and c.exact})),
    )


def protect_table(table: ReportTable, min_group: int) -> ReportTable:
    """`protect_tables` of a table that leaves alone."""
    return protect_tables((table,), min_group).tables[0]


def cell_counts(table: ReportTable, column: str) -> list[CellCounts]:
    """The counts behind each cell of a column."""
    if column in table.cells:
        return list(table.cells[column])
    meaning = table.columns[column]
    reveals = meaning.revealed(column)
    names = {c: table.names_of(c) for c in {*meaning.count_columns, *reveals}}
    own = names.get(column) if meaning.unit == "customers" else None

    def named(columns: tuple[str, ...], row: int) -> tuple[str, ...]:
        return tuple(name for c in columns if (name := names[c][row]))

    return [
        CellCounts(
            groups=named(meaning.group_counts, row),
            subsets=named(meaning.subset_counts, row),
            reveals=named(reveals, row),
            shows=own[row] if own else "",
        )
        for row in range(len(table.rows))
    ]


class _Cell(NamedTuple):
    """A cell with the counts behind it, the least that they must have, and whether it is withheld first."""

    column: str
    row: int
    counts: CellCounts
    min_group: int
    secondary: bool

    def needs(self) -> Iterator[tuple[str, int]]:
        """Each count that must be large enough, and how large."""
        yield from ((name, self.min_group) for name in self.counts.groups)
        yield from ((name, SMALLEST_GROUP) for name in self.counts.subsets)

    def too_small(self, counts: Mapping[str, Count]) -> int:
        """The largest size that a count behind the cell must have and has not; 0 where all have."""
        return max((least for n, least in self.needs() if counts[n].value < least), default=0)

    def register(self, counts: Mapping[str, Count]) -> None:
        """Tell the counts what the cell asks of them and reveals of them."""
        for name, least in self.needs():
            counts[name].ask(least)
        lacking = self.too_small(counts)
        for name in self.counts.reveals:
            if not lacking:
                counts[name].cost += SECONDARY if self.secondary else 1.0
            elif name == self.counts.shows:
                counts[name].lacking = max(counts[name].lacking, lacking)

    def is_hidden(self, counts: Mapping[str, Count]) -> bool:
        """Whether the cell is withheld."""
        return bool(self.too_small(counts)) or not all(counts[n].exact for n in self.counts.reveals)


def _cells(table: ReportTable, min_group: int) -> Iterator[_Cell]:
    for name, column in table.columns.items():
        if column.count_columns or name in table.cells:
            for row, counts in enumerate(cell_counts(table, name)):
                yield _Cell(name, row, counts, min_group, column.withheld_first)


def _sums(tables: Sequence[ReportTable], counts: dict[str, Count]) -> Iterator[NamedSum]:
    """The sums of the tables whose parts are known; a whole that no table holds is added."""
    for each in (each for table in tables for each in table.sums):
        if all(part in counts for part in each.parts) and each.parts != (each.whole,):
            total = sum(counts[part].value for part in each.parts)
            counts.setdefault(each.whole, Count(total))
            yield each.whole, each.parts


def _rests(tables: Sequence[ReportTable], counts: dict[str, Count]) -> Iterator[NamedSum]:
    """For each count that is a part of another: those of the other who are not among it."""
    summed = {name for table in tables for each in table.sums for name in (each.whole, *each.parts)}
    for whole, part in dict.fromkeys(pair for table in tables for pair in table.named_parts()):
        if not counts[whole].cost and whole not in summed:
            continue  # of a whole that is not shown nothing is known
        rest = f"{whole} without {part}"
        counts[rest] = Count(counts[whole].value - counts[part].value, SMALLEST_GROUP)
        yield whole, (part, rest)


def _sums_over_time(counts: dict[str, Count], keys: Mapping[str, str]) -> list[NamedSum]:
    """Sums of counts until different times: the later is the earlier and what came in between.

    `keys` gives the key of each growing count by its name. What came in between is added to `counts`.
    """
    by_key: dict[str, list[str]] = {}
    for name, key in keys.items():
        by_key.setdefault(key, []).append(name)
    sums: list[NamedSum] = []
    for names in by_key.values():
        ordered = sorted(names)  # times sort as texts
        for earlier, later in pairwise(ordered):
            between = counts[later].value - counts[earlier].value
            if between >= 0:  # else the data were changed
                least = min(counts[later].least, SMALLEST_GROUP)
                rest = f"{later} since {earlier}"
                counts[rest] = Count(between, least, guarded=between < least)
                sums.append((later, (earlier, rest)))
    return sums


def _take_earlier(counts: dict[str, Count], name: str, low: float, high: float) -> None:
    """Hold what an earlier report has shown of a count; where the data have changed it says nothing.

    What it has shown as a band may be withheld down to that band again.
    """
    count = counts.get(name)
    if count is None and growing_key(name) and low == high:
        counts[name] = Count(int(low), low=low, high=high, known=(low, high))
    elif count is not None and low <= count.value <= high:
        count.know(low, high)


def _protected(
    table: ReportTable, cells: Sequence[_Cell], counts: Mapping[str, Count]
) -> ReportTable:
    """The table with null in place of the cells that are withheld, and the bands of their counts."""
    hidden = pd.DataFrame(False, index=table.rows.index, columns=table.rows.columns)
    bands = pd.DataFrame("", index=table.rows.index, columns=table.rows.columns)
    places = {name: place for place, name in enumerate(table.columns)}
    for cell in cells:
        if cell.is_hidden(counts):
            at = (cell.row, places[cell.column])
            hidden.iat[at] = True
            bands.iat[at] = counts[cell.counts.shows].band if cell.counts.shows else ""
    whole = {n: "Int64" for n, c in table.columns.items() if c.unit in WHOLE_UNITS}
    return replace(table, rows=table.rows.astype(whole).mask(hidden), hidden=hidden, bands=bands)
