"""Findings of a section: tables whose figures have a unit, a definition and a number of customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from growthlab.data.event_log import EventLog
from growthlab.insight.counts import CellCounts, Sum
from growthlab.insight.report_scope import ReportScope

Unit = Literal[
    "label", "date", "customers", "count", "share", "money", "days", "periods", "ratio", "number"
]
NAME_UNITS = ("label", "date")  # of columns that say what a row is about
WHOLE_UNITS = ("customers", "count", "periods")


@dataclass(frozen=True)
class Column:
    """A column of a table: what it counts, and how.

    Parameters
    ----------
    group_counts
        The columns with the number of customers whom a figure is about. Where one is below the
        smallest group of the report, the figure is withheld.
    subset_counts
        The columns with the number of those customers who did what the figure counts. They may be
        smaller than a group, see `disclosure.protect_tables`.
    part_of
        Of a column of customers: the column whose customers are counted here in part, so that the
        others of them are protected as well.
    reveals
        The columns of counts that could be worked out from the figure. None: of a number of
        customers itself, of another count none, of a share, mean or amount all behind it.
    withheld_first
        Whether it is withheld rather than other figures with which it would give a group away.

    A column of names has none of them.
    """

    unit: Unit
    definition: str
    group_counts: tuple[str, ...] = ()
    subset_counts: tuple[str, ...] = ()
    part_of: str = ""
    reveals: tuple[str, ...] | None = None
    withheld_first: bool = False

    @property
    def count_columns(self) -> tuple[str, ...]:
        """All columns with a number of customers behind the figure."""
        return (*self.group_counts, *self.subset_counts)

    def revealed(self, name: str) -> tuple[str, ...]:
        """The columns of counts that could be worked out from the figure; `name` is its own column."""
        if self.reveals is not None:
            return self.reveals
        if self.unit in ("customers", "count"):
            return (name,) if self.unit == "customers" else ()
        return self.count_columns


@dataclass(frozen=True)
class LinePlot:
    """A line for each column of `y`, or with `by` for each value of that column, over `x`."""

    x: str
    y: tuple[str, ...]
    title: str
    by: str | None = None


@dataclass(frozen=True)
class BarPlot:
    """A bar a row: its name in `x`, its length in `y`."""

    x: str
    y: str
    title: str


@dataclass(frozen=True)
class HeatMap:
    """`value` by `row` (downwards) and `column` (to the right), the darker the larger."""

    row: str
    column: str
    value: str
    title: str
    max_columns: int = 13  # that fit a page; the table has all


Plot = LinePlot | BarPlot | HeatMap


@dataclass(frozen=True)
class OverTime:
    """That the rows of a table are whole months (``period``), by which the page says what changed.

    Parameters
    ----------
    measure
        The column that is compared from month to month.
    by
        The column with the groups whose measures add up to that of all; empty: the rows are of all.
    names
        The column with their names, where `by` has identifiers.
    factors
        Columns of counts, each a part of the next: `measure` is the first, times the second per
        first, times itself per the last.
    """

    measure: str
    by: str = ""
    names: str = ""
    factors: tuple[str, ...] = ()

    def group_name(self, rows: pd.DataFrame, group: str) -> str:
        """The name of a group among the rows."""
        if not self.names:
            return group
        return str(rows.loc[rows[self.by].astype(str) == group, self.names].iloc[0])


@dataclass(frozen=True)
class ReportTable:
    """Rows with what each of their columns means, and how they are shown.

    Parameters
    ----------
    name
        Of its file, in lower case with underscores.
    columns
        By the name in `rows`, in the order shown; every column of `rows` has one.
    rows_shown
        Rows on the page: the last ones where the first column is a date, else the first ones;
        None for all. The file has all rows.
    technical
        Whether it is about the method and not about customers: the page shows it at its end.
    tiles
        Whether the page shows a row as a tile: its name, its value, what it is compared with.
    behind
        Further counts of customers, which the table does not show but its figures reveal; a row for
        each of `rows`.
    count_names
        By the name of a column of counts, the names of its counts, by which other tables and `sums`
        know them. Other columns have names of their own.
    sums
        How the counts add up, as a reader knows.
    cells
        The counts behind each cell of columns whose rows are figures of different kinds.
    counts
        The values of counts of `cells` and `sums` that no column of a table holds.
    parts
        Pairs of names of counts, besides those of `Column.part_of`: a whole and a part of it.
    public
        The names of counts that a reader knows whatever is withheld.
    over_time
        What the months of the table are, where its rows are months.
    hidden, bands
        Which cells are withheld, and what is shown in their place, such as "under 50"; the shape of
        `rows`. None: not decided yet.
    """

    name: str
    title: str
    rows: pd.DataFrame
    columns: Mapping[str, Column]
    plots: tuple[Plot, ...] = ()
    note: str = ""
    rows_shown: int | None = None
    technical: bool = False
    tiles: bool = False
    behind: pd.DataFrame | None = None
    count_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sums: tuple[Sum, ...] = ()
    cells: Mapping[str, Sequence[CellCounts]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[tuple[str, str], ...] = ()
    public: tuple[str, ...] = ()
    over_time: OverTime | None = None
    hidden: pd.DataFrame | None = None
    bands: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        assert list(self.rows) == list(self.columns), (self.name, list(self.rows))
        for name, column in self.columns.items():
            where, counts = f"{self.name}.{name}", column.count_columns
            assert column.definition, f"{where} has no definition"
            known = bool(counts) or name in self.cells
            assert known != (column.unit in NAME_UNITS), f"{where}: count_columns={counts}"
            assert {*counts, *column.revealed(name)} <= self.count_columns | {name}, (
                f"{where}: {counts}"
            )

    @property
    def n_hidden(self) -> int:
        """How many cells are withheld."""
        return 0 if self.hidden is None else int(self.hidden.to_numpy().sum())

    def withheld_text(self, row: object, column: str) -> str:
        """What is shown in place of a withheld cell, such as "under 50"; empty where nothing is."""
        return "" if self.bands is None else str(self.bands.at[row, column])

    @property
    def count_columns(self) -> set[str]:
        """The columns that hold counts of customers, those behind the table among them."""
        shown = {name for name, column in self.columns.items() if column.unit == "customers"}
        return (shown - set(self.cells)) | set([] if self.behind is None else map(str, self.behind))

    def numbers_of(self, column: str) -> np.ndarray:
        """The counts of a column as float64, NaN where one is not defined."""
        rows = self.rows if self.behind is None or column in self.rows else self.behind
        return rows[column].to_numpy(dtype=np.float64, na_value=np.nan)

    def names_of(self, column: str) -> list[str]:
        """The name of each count of a column; empty where one is not defined."""
        own = (f"{self.name}.{column} of row {row}" for row in range(len(self.rows)))
        names = self.count_names.get(column, own)
        known = ~np.isnan(self.numbers_of(column))
        return [name if is_known else "" for name, is_known in zip(names, known, strict=True)]

    def named_counts(self) -> dict[str, int]:
        """The value of every count by its name."""
        held = {
            name: int(value)
            for column in sorted(self.count_columns)
            for name, value in zip(self.names_of(column), self.numbers_of(column), strict=True)
            if name
        }
        return {**held, **self.counts}

    def named_parts(self) -> tuple[tuple[str, str], ...]:
        """The names of each whole and of a part of it."""
        pairs = [
            pair
            for name, column in self.columns.items()
            if column.part_of
            for pair in zip(self.names_of(column.part_of), self.names_of(name), strict=True)
        ]
        return tuple(dict.fromkeys(p for p in (*pairs, *self.parts) if all(p) and p[0] != p[1]))


@dataclass(frozen=True)
class Findings:
    """What a section has to show.

    `notes` are sentences for the reader of all of it, `warnings` those that nobody should miss.
    """

    tables: tuple[ReportTable, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Section(Protocol):
    """A part of the report: a dataclass of settings in ``insight/sections``, and a yaml of its name."""

    chapter: ClassVar[str]
    title: ClassVar[str]

    def find(self, scope: ReportScope) -> Findings:
        """The tables of the section; `Unavailable` where the log lacks what it needs."""
        ...


@runtime_checkable
class CustomerRowsSection(Protocol):
    """A section with a row for each customer."""

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """The rows by ``user_id`` (the index, or a column), from what was known at a date."""
        ...


@runtime_checkable
class SegmentSection(Protocol):
    """A section that puts each buyer in one segment, so that goals can be set for its segments."""

    label: ClassVar[str]  # the column with the names, a categorical of all that there can be

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row a buyer by ``user_id``, from what was known at a date."""
        ...


@runtime_checkable
class EvaluatedSection(Protocol):
    """A section that measures its own quality on customers held out."""

    def quality(self, log: EventLog, as_of: datetime) -> dict[str, float]:
        """The measures by name."""
        ...


@runtime_checkable
class LinkedSection(Protocol):
    """A section that takes settings from the other sections of the same report."""

    def linked_to(self, sections: Mapping[str, object]) -> Section:
        """A copy of the section with the settings of the others."""
        ...


def link_sections(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The sections, each `LinkedSection` with the settings that it takes from the others."""
    return {
        name: section.linked_to(sections) if isinstance(section, LinkedSection) else section
        for name, section in sections.items()
    }


def select_columns(columns: Mapping[str, Column], rows: pd.DataFrame) -> dict[str, Column]:
    """The columns that the rows have, in their order."""
    return {str(name): columns[str(name)] for name in rows}
