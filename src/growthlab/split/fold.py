"""Folds: what is known, and the future that models predict; of events and of tables without events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, Protocol, Self, TypeVar, runtime_checkable

from growthlab.core.errors import DataError
from growthlab.data.event_log import EventLog
from growthlab.data.labelled_table import LabelledTable

Data = TypeVar("Data")


@dataclass(frozen=True)
class Cut(Generic[Data]):
    """Data cut into a past and a future, see `Fold` and `TableFold`."""

    past: Data
    future: Data
    cutoff: datetime | None = None
    horizon: timedelta | None = None
    inner: Self | None = None
    gap: timedelta = timedelta(0)

    def for_choosing(self) -> Self:
        """The inner fold, on which settings, epochs and the winner are chosen."""
        if self.inner is None:
            raise DataError(
                "the split has no validation window, so nothing can be chosen: give it one with split.valid"
            )
        return self.inner

    def without_data(self) -> Cut[None]:
        """The cutoffs and windows alone."""
        inner = None if self.inner is None else self.inner.without_data()
        return Cut(None, None, self.cutoff, self.horizon, inner, self.gap)


@dataclass(frozen=True)
class TableFold(Cut[LabelledTable]):
    """Rows to learn from, and rows whose labels models predict.

    `inner` has the same two parts of the past. With a `cutoff` the past was known before it and the
    future is of later dates; without one no customer is in both. `horizon` is how long after its date a
    label is about, None where nobody says.
    """


@dataclass(frozen=True)
class Fold(Cut[EventLog]):
    """``past < cutoff``, and ``cutoff + gap <= future < cutoff + gap + horizon``.

    The `gap` is the time needed to act on a prediction: its events are in neither part. `inner` is
    the fold on which everything is chosen (early stopping, search, winner): its future is the window
    of the same length that ends at the cutoff, its past ends a gap before that window. Splits
    without times (leave-last-out, a given column) have neither `cutoff` nor `horizon`.

    `record` is the past including the purchases that had been cancelled by the cutoff, each with its
    ``cancelled_at``: at an earlier snapshot some of them were still valid. None where it is not
    needed.
    """

    record: EventLog | None = None

    def with_past(self, change: Callable[[EventLog], EventLog]) -> Fold:
        """The fold with `change` applied to its past and, separately, to the inner fold's past.

        So a filter such as a k-core depends on each past alone.
        """
        inner = None if self.inner is None else self.inner.with_past(change)
        record = None if self.record is None else change(self.record)
        return replace(self, past=change(self.past), inner=inner, record=record)

    def without_users(
        self,
        find: Callable[[EventLog], Sequence[str]],
        drop: Callable[[EventLog, Sequence[str]], EventLog],
    ) -> Fold:
        """The fold without the users that `find` names, in its past and in its future.

        `find` sees what was known at the cutoff, and for the inner fold what was known at its own: a
        user who is to be found later only is in neither left out.
        """
        found = find(self.past if self.record is None else self.record)
        return replace(
            self,
            past=drop(self.past, found),
            future=drop(self.future, found),
            record=None if self.record is None else drop(self.record, found),
            inner=None if self.inner is None else self.inner.without_users(find, drop),
        )

    @property
    def valid(self) -> EventLog:
        """The events of the validation window: part of the past, and the future of `inner`."""
        return self.for_choosing().future


@runtime_checkable
class LeavesOutBaskets(Protocol):
    """A splitter that can leave out whole last baskets where it else leaves out one item."""

    def for_last_baskets(self) -> Splitter:
        """The splitter for a task that asks for whole last baskets."""
        ...


@runtime_checkable
class TableSplitter(Protocol):
    """A way of cutting a table without events into past and future."""

    def table_folds(
        self, table: LabelledTable, horizon_days: float | None = None, origins: int = 1
    ) -> list[TableFold]:
        """As `Splitter.folds`."""
        ...


@runtime_checkable
class Splitter(Protocol):
    """A way of cutting a log into past and future."""

    def folds(
        self, log: EventLog, horizon_days: float | None = None, origins: int = 1
    ) -> list[Fold]:
        """`origins` folds, the newest first; `horizon_days` is the data set's own horizon.

        Raises
        ------
        ConfigError, DataError
            A log that cannot be cut so, or a fold without past or future.
        """
        ...
