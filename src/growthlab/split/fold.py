"""Fold: what is known before a cutoff, and the future after it that is to be foretold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from growthlab.core.errors import DataError
from growthlab.data.event_log import EventLog


@dataclass(frozen=True)
class Fold:
    """``past < cutoff``, and ``cutoff + gap <= future < cutoff + gap + horizon``.

    The `gap` is the time that acting on a prediction takes: what happens in it is neither known nor
    foretold. `inner` is the fold for every choice (early stopping, search, winner): its future is the window
    of the same length that ends at the cutoff, its past is what lies a gap before that. Splits
    without a clock (leave-last-out, a given column) have neither `cutoff` nor `horizon`.

    `record` is the past with those purchases still in it that had been cancelled by the cutoff, each
    with its ``cancelled_at``: at an earlier snapshot some of them stood, and only the record can say
    so. The past itself where nothing is ever cancelled.
    """

    past: EventLog
    future: EventLog
    cutoff: datetime | None = None
    horizon: timedelta | None = None
    inner: Fold | None = None
    gap: timedelta = timedelta(0)
    record: EventLog | None = None

    def with_past(self, change: Callable[[EventLog], EventLog]) -> Fold:
        """The same fold with `change` made to its past, and to the inner fold's own past.

        What it keeps or drops is thus decided by each past alone, as for k-core filters.
        """
        inner = None if self.inner is None else self.inner.with_past(change)
        record = None if self.record is None else change(self.record)
        return replace(self, past=change(self.past), inner=inner, record=record)

    @property
    def valid(self) -> EventLog:
        """The events of the validation window: part of the past, and the future of `inner`."""
        return self.for_choosing().future

    def for_choosing(self) -> Fold:
        """The inner fold, on which everything is chosen."""
        if self.inner is None:
            raise DataError("this fold has no validation window: nothing can be chosen on it")
        return self.inner
