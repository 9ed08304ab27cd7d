"""Customers: the rows of a table without events, cut by a column, by their dates or by customer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.moments import parse_moment
from growthlab.data.labelled_table import LabelledTable
from growthlab.split.fold import TableFold

WAYS = ("column", "date", "share")
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Customers:
    """The split of a customer table; the newest rows or a seeded share of the customers are the test.

    A customer is never in two parts, but for rows of several dates: the later ones are then the test,
    one row a customer.

    Parameters
    ----------
    by
        ``column``: the column that holds train, valid or test; without valid a share of the customers of
        train. ``date``: the newest dates with `test_share` of the customers. ``share``: by a hash of
        their ids. None: the first of these that the table has.
    cutoff
        With dates: the rows from this date on are the test.
    test_share, valid_share
        Of all customers, and of those that are not in the test; without the latter (0) nothing is
        chosen, and only models that need no choice run.
    seed
        Of the hash.

    Examples
    --------
    >>> import pandas as pd
    >>> ids, dates = np.array(["ann", "ann", "bob", "bob"]), ["2025-01-01", "2025-02-01"] * 2
    >>> table = LabelledTable(
    ...     name="t", file="t.csv", label_column="left", user_ids=ids, label=np.array([0.0, 1, 0, 0]),
    ...     features=pd.DataFrame({"age": [1.0, 2, 3, 4]}), numbers=np.arange(4),
    ...     dates=np.array(dates, dtype="datetime64[us]"),
    ... )
    >>> fold = Customers(valid_share=0).table_folds(table)[0]
    >>> fold.past.label.tolist(), fold.future.label.tolist(), fold.cutoff.month
    ([0.0, 0.0], [1.0, 0.0], 2)
    """

    by: str | None = None
    cutoff: str | None = None
    test_share: float = 0.2
    valid_share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by is not None and self.by not in WAYS:
            raise ConfigError(f"split.by={self.by}: {near_matches(self.by, WAYS)}")
        if self.cutoff is not None:
            parse_moment(self.cutoff, "split.cutoff")
        if not 0 < self.test_share < 1:
            raise ConfigError(
                f"split.test_share must be above 0 and below 1, got {self.test_share}"
            )
        if not 0 <= self.valid_share < 1:
            raise ConfigError(
                f"split.valid_share must be 0 or more and below 1, got {self.valid_share}"
            )

    def table_folds(
        self, table: LabelledTable, horizon_days: float | None = None, origins: int = 1
    ) -> list[TableFold]:
        """The only fold.

        Raises
        ------
        DataError
            A table without the column or the dates, a word that is no part, a customer in two parts, or a
            part without rows.
        ConfigError
            More than one origin, or a cutoff without dates.
        """
        if origins != 1:
            raise ConfigError(f"origins={origins}: a customer table is cut once")
        way = self._way(table)
        if self.cutoff is not None and way != "date":
            raise ConfigError(f"split.cutoff={self.cutoff} needs dates: data.columns.date=COLUMN")
        if way == "date":
            return [self._by_date(table, horizon_days)]
        part = _parts_of(table) if way == "column" else self._shares(table)
        past = part != "test"
        fold = _fold(table, past, ~past, "test")
        if way == "column" and not (part == "valid").any():
            part = np.where(past & self._in_share(table, self.valid_share, "valid"), "valid", part)
        if self.valid_share or (part == "valid").any():
            inner = _fold(table, part == "train", part == "valid", "validation")
            fold = replace(fold, inner=inner)
        return [fold]

    def _way(self, table: LabelledTable) -> str:
        has = {"column": table.parts is not None, "date": table.dates is not None, "share": True}
        if self.by is None:
            return next(way for way in WAYS if has[way])
        if not has[self.by]:
            ours = {"column": "split", "date": "date"}[self.by]
            raise DataError(f"split.by={self.by}: name it with data.columns.{ours}=COLUMN")
        return self.by

    def _by_date(self, table: LabelledTable, horizon_days: float | None) -> TableFold:
        """The newest dates as the test, and the newest of the rest as the validation window."""
        assert table.dates is not None
        known = table.dates
        if horizon_days is not None:
            known = known + np.timedelta64(timedelta(days=horizon_days))
        horizon = None if horizon_days is None else timedelta(days=horizon_days)
        cutoff = (
            _border(table, np.ones(len(table), dtype=bool), self.test_share)
            if self.cutoff is None
            else np.datetime64(parse_moment(self.cutoff, "split.cutoff"), "us")
        )
        past = known <= cutoff if horizon_days else table.dates < cutoff
        fold = _fold(table, past, table.dates >= cutoff, "test", cutoff, horizon)
        if self.valid_share:
            start = _border(table, past, self.valid_share)
            before = known <= start if horizon_days else table.dates < start
            inner = _fold(
                table, past & before, past & (table.dates >= start), "validation", start, horizon
            )
            fold = replace(fold, inner=inner)
        return fold

    def _shares(self, table: LabelledTable) -> np.ndarray:
        """The part of each row by a hash of its customer, ``(n,)`` str."""
        is_test = self._in_share(table, self.test_share, "test")
        is_valid = self._in_share(table, self.valid_share, "valid")
        return np.where(is_test, "test", np.where(is_valid, "valid", "train"))

    def _in_share(self, table: LabelledTable, share: float, purpose: str) -> np.ndarray:
        """Whether the customer of each row is in a seeded share, ``(n,)`` bool."""
        users, place = np.unique(table.user_ids, return_inverse=True)
        keys = (f"{self.seed}\x1f{purpose}\x1f{user}".encode() for user in users)
        hashed = [int(hashlib.md5(k, usedforsecurity=False).hexdigest()[:8], 16) for k in keys]
        return (np.array(hashed) < share * 2**32)[place]


def _parts_of(table: LabelledTable) -> np.ndarray:
    """The words of the split column, in small letters."""
    assert table.parts is not None
    parts = np.char.lower(np.char.strip(table.parts))
    wrong = ~np.isin(parts, PARTS)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{table.place(row)}: {str(table.parts[row])!r} in the column of the split: possible are "
            f"{', '.join(PARTS)}"
        )
    changes = (table.user_ids[1:] == table.user_ids[:-1]) & (parts[1:] != parts[:-1])
    if changes.any() and table.dates is None:
        row = int(changes.argmax()) + 1
        raise DataError(
            f"{table.place(row)}: the customer {table.user_ids[row]} is in {parts[row]} and in "
            f"{parts[row - 1]}: a customer belongs to one part"
        )
    return parts


def _border(table: LabelledTable, rows: np.ndarray, share: float) -> np.datetime64:
    """The latest date from which on the rows have that share of their customers."""
    assert table.dates is not None
    users, place = np.unique(table.user_ids[rows], return_inverse=True)
    newest = np.full(len(users), table.dates.min())
    np.maximum.at(newest, place, table.dates[rows])
    newest = np.sort(newest)[::-1]
    border: np.datetime64 = newest[max(int(np.ceil(share * len(users))) - 1, 0)]
    return border


def _fold(
    table: LabelledTable,
    past: np.ndarray,
    future: np.ndarray,
    window: str,
    cutoff: np.datetime64 | None = None,
    horizon: timedelta | None = None,
) -> TableFold:
    """A fold of the rows; DataError for a part without any."""
    for part, what in ((past, "before or outside"), (future, "in")):
        if not part.any():
            raise DataError(
                f"{table.file}: no row is {what} the {window} window: give split.cutoff, the shares or "
                "data.horizon_days otherwise"
            )
    moment: datetime | None = None if cutoff is None else cutoff.astype("datetime64[us]").item()
    return TableFold(table.select(past), table.select(future).newest(), moment, horizon)
