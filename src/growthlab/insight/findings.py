"""What a section finds: tables whose every figure has a unit, a definition and the customers behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol

import pandas as pd

from growthlab.insight.scope import Scope

Unit = Literal[
    "label", "date", "customers", "count", "share", "money", "days", "periods", "ratio", "number"
]
NAMES = ("label", "date")  # columns that say what a row is about
WHOLE = ("customers", "count", "periods")


@dataclass(frozen=True)
class Column:
    """A column of a table: what it counts, and how.

    `of` names the columns that hold the number of customers behind a figure. Where one of them is
    small the figure is withheld. A column of names has none.
    """

    unit: Unit
    definition: str
    of: tuple[str, ...] = ()


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
class Table:
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
    partition
        Whether the rows are parts of a whole that is known elsewhere: then one withheld row alone
        could be worked out, and a second one is withheld with it.
    hidden
        Which cells were withheld; the shape of `rows`. None: nobody has looked.
    """

    name: str
    title: str
    rows: pd.DataFrame
    columns: Mapping[str, Column]
    plots: tuple[Plot, ...] = ()
    note: str = ""
    shown: int | None = None
    tiles: bool = False
    partition: bool = False
    hidden: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        assert list(self.rows) == list(self.columns), (self.name, list(self.rows))
        for name, column in self.columns.items():
            assert column.definition, f"{self.name}.{name} has no definition"
            assert bool(column.of) != (column.unit in NAMES), f"{self.name}.{name}: of whom?"
            assert set(column.of) <= set(self.columns), f"{self.name}.{name}: {column.of}"

    @property
    def n_hidden(self) -> int:
        """How many cells were withheld."""
        return 0 if self.hidden is None else int(self.hidden.to_numpy().sum())

    def protected(self, min_group: int) -> Table:
        """The table without any figure that rests on fewer than `min_group` customers.

        Counts of customers below it are withheld too, 0 among them: to know that none of a group
        did something is to know it of each. Withheld cells are null.
        """
        small = {
            name: (self.rows[name] < min_group).fillna(False).astype(bool)
            for name in {of for column in self.columns.values() for of in column.of}
        }
        if self.partition:
            small = {
                name: _with_a_second(column, self.rows[name]) for name, column in small.items()
            }
        hidden = pd.DataFrame(False, index=self.rows.index, columns=self.rows.columns)
        for name, column in self.columns.items():
            for of in column.of:
                hidden[name] |= small[of]
        rows = self.rows.astype(
            {n: "Int64" for n, c in self.columns.items() if c.unit in WHOLE}
        ).mask(hidden)
        return replace(self, rows=rows, hidden=hidden)


@dataclass(frozen=True)
class Findings:
    """What a section has to show; `notes` are sentences for the reader of all of it."""

    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


class Section(Protocol):
    """A part of the report: a dataclass of settings, one file here and one yaml in ``conf/section``."""

    chapter: ClassVar[str]
    title: ClassVar[str]

    def find(self, scope: Scope) -> Findings:
        """What the section shows of the scope; `Unavailable` where the log lacks what it needs."""
        ...


def of_rows(columns: Mapping[str, Column], rows: pd.DataFrame) -> dict[str, Column]:
    """The columns that the rows have, in their order."""
    return {str(name): columns[str(name)] for name in rows}


def _with_a_second(small: pd.Series, counts: pd.Series) -> pd.Series:
    """Where a single row is small, the next larger one goes with it."""
    if small.sum() != 1 or small.all():
        return small
    return small | (counts.index == counts[~small].astype(float).idxmin())
