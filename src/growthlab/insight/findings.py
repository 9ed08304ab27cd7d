"""Findings of a section: tables whose figures have a unit, a definition and a number of customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import pandas as pd

from growthlab.data.event_log import EventLog
from growthlab.insight.report_scope import SMALLEST_GROUP, ReportScope
from growthlab.insight.small_groups import suppressed_rows

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
        smaller than a group, see `ReportTable.withhold_small_groups`.

    A column of names has neither.
    """

    unit: Unit
    definition: str
    group_counts: tuple[str, ...] = ()
    subset_counts: tuple[str, ...] = ()

    @property
    def count_columns(self) -> tuple[str, ...]:
        """All columns with a number of customers behind the figure."""
        return (*self.group_counts, *self.subset_counts)


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
    tiles
        Whether the page shows a row as a tile: its name, its value, what it is compared with.
    known_totals
        By the name of a column with numbers of customers, the totals that are published elsewhere:
        each series says which total the number of a row is a part of, null for none. Further rows
        are withheld, so that a total less the rows shown never reveals a few customers.
    hidden
        Which cells are withheld; the shape of `rows`. None: not decided yet.
    """

    name: str
    title: str
    rows: pd.DataFrame
    columns: Mapping[str, Column]
    plots: tuple[Plot, ...] = ()
    note: str = ""
    rows_shown: int | None = None
    tiles: bool = False
    known_totals: Mapping[str, Sequence[pd.Series]] = field(default_factory=dict)
    hidden: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        assert list(self.rows) == list(self.columns), (self.name, list(self.rows))
        for name, column in self.columns.items():
            where, counts = f"{self.name}.{name}", column.count_columns
            assert column.definition, f"{where} has no definition"
            assert bool(counts) != (column.unit in NAME_UNITS), f"{where}: count_columns={counts}"
            assert set(counts) <= set(self.columns), f"{where}: {counts}"

    @property
    def n_hidden(self) -> int:
        """How many cells are withheld."""
        return 0 if self.hidden is None else int(self.hidden.to_numpy().sum())

    def withhold_small_groups(self, min_group: int) -> ReportTable:
        """The table with null in place of figures of fewer than `min_group` customers.

        The number of those of a group who did something may be smaller, but not smaller than
        `SMALLEST_GROUP`; 0 is withheld as well, since "none of the group did it" is a statement
        about each member.
        """
        groups = {name for column in self.columns.values() for name in column.group_counts}
        subsets = {name for column in self.columns.values() for name in column.subset_counts}
        small_group = {name: self._too_small(name, min_group) for name in groups}
        small_subset = {name: self._too_small(name, SMALLEST_GROUP) for name in subsets}
        nothing = pd.DataFrame(False, index=self.rows.index, columns=self.rows.columns)
        hidden = nothing if self.hidden is None else self.hidden.copy()
        for name, column in self.columns.items():
            for group in column.group_counts:
                hidden[name] |= small_group[group]
            for subset in column.subset_counts:
                hidden[name] |= small_subset[subset]
        rows = self.rows.astype(
            {n: "Int64" for n, c in self.columns.items() if c.unit in WHOLE_UNITS}
        ).mask(hidden)
        return replace(self, rows=rows, hidden=hidden)

    def _too_small(self, name: str, least: int) -> pd.Series:
        """Which rows have too few customers, or would reveal others that have."""
        counts = self.rows[name].astype("Float64")
        small = (counts < least).fillna(False).astype(bool)
        return suppressed_rows(counts, small, self.known_totals.get(name, ()), least)


@dataclass(frozen=True)
class Findings:
    """What a section has to show; `notes` are sentences for the reader of all of it."""

    tables: tuple[ReportTable, ...]
    notes: tuple[str, ...] = ()


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


def one_total(rows: pd.DataFrame) -> tuple[pd.Series, ...]:
    """For `ReportTable.known_totals`: all rows are parts of one total."""
    return (pd.Series(0, index=rows.index),)
