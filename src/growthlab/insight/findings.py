"""What a section finds: tables whose every figure has a unit, a definition and the customers behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import pandas as pd

from growthlab.data.event_log import EventLog
from growthlab.insight.scope import LEAST_GROUP, Scope
from growthlab.insight.small_groups import rest_of_totals

Unit = Literal[
    "label", "date", "customers", "count", "share", "money", "days", "periods", "ratio", "number"
]
NAMES = ("label", "date")  # columns that say what a row is about
WHOLE = ("customers", "count", "periods")


@dataclass(frozen=True)
class Column:
    """A column of a table: what it counts, and how.

    `of` names the columns that hold the number of customers whom a figure is about, `part` those
    with the number of them who did what it counts. Where one is too small the figure is withheld;
    a part may be smaller than a group, see `ReportTable.protected`. A column of names has neither.
    """

    unit: Unit
    definition: str
    of: tuple[str, ...] = ()
    part: tuple[str, ...] = ()

    @property
    def behind(self) -> tuple[str, ...]:
        """All columns with a number of customers behind the figure."""
        return (*self.of, *self.part)


@dataclass(frozen=True)
class Lines:
    """A line a column of `y`, or with `by` a line a value of that column; `x` from left to right."""

    x: str
    y: tuple[str, ...]
    title: str
    by: str | None = None


@dataclass(frozen=True)
class Bars:
    """A bar a row: its name in `x`, its length in `y`."""

    x: str
    y: str
    title: str


@dataclass(frozen=True)
class Heat:
    """`value` by `row` (downwards) and `column` (to the right), darker where it is larger."""

    row: str
    column: str
    value: str
    title: str
    most: int = 13  # columns that fit a page; all are in the table


Plot = Lines | Bars | Heat


@dataclass(frozen=True)
class ReportTable:
    """Rows with what each of their columns means, and how they are shown.

    Parameters
    ----------
    name
        Of its file, in lower case with underscores.
    columns
        By the name in `rows`, in the order shown; every column of `rows` has one.
    shown
        Rows on the page: the last ones where the first column is a date, else the first ones;
        None for all. The file has all rows.
    tiles
        Whether the page shows a row as a tile: its name, its value, what it is compared with.
    sums
        By the name of a number of customers, the totals that are known elsewhere: of each row the
        total that its number is a part of, null for none. What a total less the shown rows would
        tell of a few customers is withheld with them.
    hidden
        Which cells were withheld already; the shape of `rows`. None: nobody has looked.
    """

    name: str
    title: str
    rows: pd.DataFrame
    columns: Mapping[str, Column]
    plots: tuple[Plot, ...] = ()
    note: str = ""
    shown: int | None = None
    tiles: bool = False
    sums: Mapping[str, Sequence[pd.Series]] = field(default_factory=dict)
    hidden: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        assert list(self.rows) == list(self.columns), (self.name, list(self.rows))
        for name, column in self.columns.items():
            assert column.definition, f"{self.name}.{name} has no definition"
            assert bool(column.behind) != (column.unit in NAMES), f"{self.name}.{name}: of whom?"
            assert set(column.behind) <= set(self.columns), f"{self.name}.{name}: {column.behind}"

    @property
    def n_hidden(self) -> int:
        """How many cells were withheld."""
        return 0 if self.hidden is None else int(self.hidden.to_numpy().sum())

    def protected(self, min_group: int) -> ReportTable:
        """The table without any figure of fewer than `min_group` customers.

        Those of them who did something may be fewer, but not fewer than `LEAST_GROUP`. Numbers of
        customers below that are withheld too, 0 among them: to know that none of a group did
        something is to know it of each. Withheld cells are null.
        """
        groups = {name for column in self.columns.values() for name in column.of}
        parts = {name for column in self.columns.values() for name in column.part}
        small = {name: self._few(name, min_group) for name in groups}
        small_part = {name: self._few(name, LEAST_GROUP) for name in parts}
        nothing = pd.DataFrame(False, index=self.rows.index, columns=self.rows.columns)
        hidden = nothing if self.hidden is None else self.hidden.copy()
        for name, column in self.columns.items():
            for of in column.of:
                hidden[name] |= small[of]
            for part in column.part:
                hidden[name] |= small_part[part]
        rows = self.rows.astype(
            {n: "Int64" for n, c in self.columns.items() if c.unit in WHOLE}
        ).mask(hidden)
        return replace(self, rows=rows, hidden=hidden)

    def _few(self, name: str, least: int) -> pd.Series:
        """Which rows have too few customers, or would tell of others who are."""
        counts = self.rows[name].astype("Float64")
        few = (counts < least).fillna(False).astype(bool)
        return rest_of_totals(counts, few, self.sums.get(name, ()), least)


@dataclass(frozen=True)
class Findings:
    """What a section has to show; `notes` are sentences for the reader of all of it."""

    tables: tuple[ReportTable, ...]
    notes: tuple[str, ...] = ()


class Section(Protocol):
    """A part of the report: a dataclass of settings, one file here and one yaml in ``conf/section``."""

    chapter: ClassVar[str]
    title: ClassVar[str]

    def find(self, scope: Scope) -> Findings:
        """What the section shows of the scope; `Unavailable` where the log lacks what it needs."""
        ...


@runtime_checkable
class CustomerSection(Protocol):
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
        """This section with the settings of the others."""
        ...


def link_sections(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The sections, each `LinkedSection` with the settings that it takes from the others."""
    return {
        name: section.linked_to(sections) if isinstance(section, LinkedSection) else section
        for name, section in sections.items()
    }


def of_rows(columns: Mapping[str, Column], rows: pd.DataFrame) -> dict[str, Column]:
    """The columns that the rows have, in their order."""
    return {str(name): columns[str(name)] for name in rows}


def whole(rows: pd.DataFrame) -> tuple[pd.Series, ...]:
    """The one total of a table whose rows are all parts of a whole, for `ReportTable.sums`."""
    return (pd.Series(0, index=rows.index),)
