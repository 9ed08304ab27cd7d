"""The windows of rolling origins: which choose a winner, which judge it, and which are independent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from growthlab.split.fold import Cut


class Window(NamedTuple):
    """A span of time: ``start <= t < end``."""

    start: datetime
    end: datetime

    def overlaps(self, other: Window) -> bool:
        """Whether some moment is in both."""
        return self.start < other.end and other.start < self.end


class OriginWindows(NamedTuple):
    """The window on which the winner at an origin is chosen, and the one on which it is judged."""

    validation: Window
    test: Window

    @property
    def cutoff(self) -> datetime:
        """The end of what may be known."""
        return self.validation.end


def fold_windows(fold: Cut[Any]) -> OriginWindows | None:
    """The windows of a fold; None for a split without a clock."""
    if fold.cutoff is None or fold.horizon is None:
        return None
    start = fold.cutoff + fold.gap
    return OriginWindows(
        Window(fold.cutoff - fold.horizon, fold.cutoff), Window(start, start + fold.horizon)
    )


def independent_origins(windows: Sequence[OriginWindows]) -> list[int]:
    """The origins, newest first, whose test windows overlap no window that chose one of their winners.

    Origins lie a horizon apart, so the test window of each is the validation window of the next newer
    one: its result helped to choose there, and would count twice. Taken are the newest origin, and each
    older one that shares no moment with those taken.

    >>> days = [datetime(2025, 1, d) for d in (1, 8, 15, 22, 29)]
    >>> weeks = [Window(*span) for span in zip(days, days[1:])]
    >>> newest_first = [OriginWindows(weeks[n - 1], weeks[n]) for n in (3, 2, 1)]
    >>> independent_origins(newest_first)
    [0, 2]
    """
    taken: list[int] = []
    for origin, own in enumerate(windows):
        if not any(_share_time(own, windows[other]) for other in taken):
            taken.append(origin)
    return taken


def _share_time(one: Iterable[Window], other: Iterable[Window]) -> bool:
    return any(a.overlaps(b) for a in one for b in other)
