"""A column of a raw table, and how it becomes one of the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

INTEGERS = frozenset(
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "", "BIG", "HUGE")
) | {"INTEGER", "UINTEGER"}
FLOATS = frozenset(("DOUBLE", "FLOAT"))


@dataclass(frozen=True)
class RawColumn:
    """The column at a place among those that are read, and its type in DuckDB.

    A conversion runs in layers, each of which may use the names of those before it: `raw`, the cell;
    `text`, its text, null where that is a word for a missing one; `usual`, an intermediate form; and
    `value`.
    """

    place: int
    type: str

    @property
    def raw(self) -> str:
        """The name of the cell."""
        return f"c{self.place}"

    @property
    def text(self) -> str:
        """The name of the cell's text."""
        return f"text{self.place}"

    @property
    def usual(self) -> str:
        """The name of the intermediate form."""
        return f"usual{self.place}"

    @property
    def value(self) -> str:
        """The name of the value."""
        return f"value{self.place}"

    @property
    def is_text(self) -> bool:
        """Whether its values are texts, as in a CSV."""
        return self.type in ("VARCHAR", "JSON") or self.type.startswith("ENUM")

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.type in INTEGERS | FLOATS or self.type.startswith("DECIMAL")

    @property
    def has_zone(self) -> bool:
        """Whether its values are times with a zone."""
        return self.type.startswith("TIMESTAMP") and ("TIME ZONE" in self.type or "TZ" in self.type)


@dataclass(frozen=True)
class Conversion:
    """How a column becomes one of the log: SQL of its value, and where the raw cell is wrong.

    `usual` is SQL of the intermediate form, and `explain` says of the text of a wrong cell why it is.
    """

    column: RawColumn
    value: str
    wrong: str = "false"
    explain: Callable[[str], str] = str
    usual: str = "NULL"
