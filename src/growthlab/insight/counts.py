"""Counts of customers by name: which figures reveal them, and how they add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import pandas as pd

UNTIL = " until "


@dataclass(frozen=True)
class Sum:
    """A reader knows that the count `whole` is the sum of the counts `parts`.

    All are names; a part that cannot occur is left out. A whole that no table holds is worked out
    from its parts.
    """

    whole: str
    parts: tuple[str, ...]


class CellCounts(NamedTuple):
    """The counts behind one figure, where the rows of a column are figures of different kinds.

    Parameters
    ----------
    groups, subsets
        The names of the counts that must be large enough, as in `Column`.
    reveals
        The names of the counts that could be worked out from the figure.
    shows
        The name of the count that the figure is; empty for a figure of another kind.
    """

    groups: tuple[str, ...] = ()
    subsets: tuple[str, ...] = ()
    reveals: tuple[str, ...] = ()
    shows: str = ""


def count_until(key: str, until: datetime | pd.Timestamp) -> str:
    """The name of a count that only grows with the time until which it is counted.

    What came between two times is a group of customers of its own.
    """
    return f"{key}{UNTIL}{pd.Timestamp(until):%Y-%m-%d %H:%M:%S}"


def count_at(key: str, moment: datetime | pd.Timestamp) -> str:
    """The name of a count as of a moment, which may be larger or smaller at another one."""
    return f"{key} at {pd.Timestamp(moment):%Y-%m-%d %H:%M:%S}"


def growing_key(name: str) -> str:
    """What `count_until` was given; empty for another name."""
    key, until, _ = name.rpartition(UNTIL)
    return key if until else ""


def sums_by(wholes: Iterable[str], parts: Iterable[str]) -> tuple[Sum, ...]:
    """One sum for each whole, of the parts that stand at the same places."""
    members: dict[str, list[str]] = {}
    for whole, part in zip(wholes, parts, strict=True):
        members.setdefault(whole, []).append(part)
    return tuple(Sum(whole, tuple(dict.fromkeys(names))) for whole, names in members.items())
