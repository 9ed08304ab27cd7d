"""GlobalTime: one cutoff for all users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.moments import parse_moment
from growthlab.data.as_of import (
    known_at,
    recorded_at,
    without_cancelled_purchases,
    without_unseen_items,
)
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import sql_time
from growthlab.split.fold import Fold

LONGEST = 36_525  # days
WINDOWS = ("horizon", "none")


@dataclass(frozen=True)
class GlobalTime:
    """One cutoff for all users, the default: ``past < cutoff <= future < cutoff + horizon``.

    With a gap the future is ``cutoff + gap <= future < cutoff + gap + horizon``.

    A past event must also have been recorded before the cutoff (`ingested_at`, where the log has
    it): a return recorded later was not known. A purchase that was cancelled later counts in the
    past, and is left out of the future. The past's items and users are what was known of them before
    the cutoff: items launched later are not among them, nor those without a date that nobody has had.
    Events at the same time are always in the same part. Events after the horizon are
    in neither part.

    Parameters
    ----------
    cutoff
        A date or time, UTC. By default the latest one with a complete future window: the second
        after the newest event, minus the horizon.
    horizon_days
        The length of the future; by default the data set's own.
    gap_days
        Between the cutoff and the future: the time needed to act on a prediction. Its events are in
        neither part. The validation window still ends at the cutoff.
    valid
        ``horizon``: everything is chosen on the window of a horizon that ends at the cutoff. ``none``:
        nothing is chosen, for protocols that leave no room for it; then the whole past may be one
        horizon long, and only models that need no choice run.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.to_datetime([f"2025-01-{d:02d}" for d in (1, 8, 10, 14, 15, 19, 20)])
    >>> events = pd.DataFrame({"user_id": "ann", "event_type": "purchase", "timestamp": days})
    >>> log = EventLog.from_frames(events)
    >>> fold = GlobalTime(cutoff="2025-01-15", horizon_days=5).folds(log)[0]
    >>> [t.day for t in fold.past.to_pandas()["timestamp"]]
    [1, 8, 10, 14]
    >>> [t.day for t in fold.future.to_pandas()["timestamp"]]  # from the 15th on, before the 20th
    [15, 19]
    >>> [t.day for t in fold.inner.past.to_pandas()["timestamp"]], fold.inner.cutoff.day
    ([1, 8], 10)
    >>> [t.day for t in fold.valid.to_pandas()["timestamp"]]  # five days too, up to the cutoff
    [10, 14]
    """

    cutoff: str | None = None
    horizon_days: float | None = None
    gap_days: float = 0.0
    valid: str = "horizon"

    def __post_init__(self) -> None:
        if self.cutoff is not None:
            parse_moment(self.cutoff, "split.cutoff")
        if self.horizon_days is not None:
            _check_horizon(self.horizon_days)
        if not 0 <= self.gap_days <= LONGEST:
            raise ConfigError(f"split.gap_days must not be negative, got {self.gap_days}")
        if self.valid not in WINDOWS:
            raise ConfigError(f"split.valid={self.valid}: {near_matches(self.valid, WINDOWS)}")

    def folds(
        self, log: EventLog, horizon_days: float | None = None, origins: int = 1
    ) -> list[Fold]:
        """`origins` folds, the newest first, with cutoffs a horizon apart.

        `horizon_days` is the data set's own, used where the split does not set one.

        Raises
        ------
        DataError
            A log without timestamps; a fold or an inner fold without past or future.
        """
        if log.ordered_by != "timestamp":
            raise DataError(f"{log.name} has an order but no timestamps: use split=leave_last_out")
        if origins < 1:
            raise ConfigError(f"origins must be at least 1, got {origins}")
        days = self.horizon_days or horizon_days
        if days is None:
            raise ConfigError(f"{log.name} has no horizon of its own: set split.horizon_days")
        _check_horizon(days)
        horizon, gap = timedelta(days=days), timedelta(days=self.gap_days)
        cutoff = (
            _latest_cutoff(log, gap + horizon)
            if self.cutoff is None
            else parse_moment(self.cutoff, "split.cutoff")
        )
        try:
            folds = [
                _fold(log, cutoff - n * horizon, horizon, gap, self.valid) for n in range(origins)
            ]
        except OverflowError:
            first, last = log.span()
            raise DataError(
                f"a cutoff at {cutoff} with {origins} origins and a horizon of {days:g} days leaves "
                f"the calendar: the events of {log.name} are from {first} to {last}"
            ) from None
        for fold in folds:
            _check(log, fold)
        return folds


def _fold(log: EventLog, cutoff: datetime, horizon: timedelta, gap: timedelta, valid: str) -> Fold:
    """The fold at a cutoff, with the inner fold whose window ends there."""
    record = recorded_at(log, cutoff)
    past = without_unseen_items(known_at(log, cutoff))
    future = _window(log, cutoff + gap, horizon)
    inner = _inner_fold(log, past, cutoff, horizon, gap) if valid == "horizon" else None
    return Fold(past, future, cutoff, horizon, inner, gap, record)


def _inner_fold(
    log: EventLog, past: EventLog, cutoff: datetime, horizon: timedelta, gap: timedelta
) -> Fold:
    """The fold whose future is the last horizon of the past.

    Its own past is of the whole log: the past lacks purchases cancelled between the two cutoffs.
    """
    inner_cutoff = cutoff - horizon - gap
    return Fold(
        without_unseen_items(known_at(log, inner_cutoff)),
        _window(past, inner_cutoff + gap, horizon),
        inner_cutoff,
        horizon,
        gap=gap,
        record=recorded_at(log, inner_cutoff),
    )


def _window(log: EventLog, start: datetime, length: timedelta) -> EventLog:
    return without_cancelled_purchases(log).where(
        f"timestamp >= {sql_time(start)} AND timestamp < {sql_time(start + length)}"
    )


def _check(log: EventLog, fold: Fold) -> None:
    """Raise a `DataError` for a fold without a past, a validation window or a future."""
    assert fold.cutoff is not None
    assert fold.horizon is not None
    parts = {"past": fold.past}
    if fold.inner is not None:
        parts = {
            "past before the validation window": fold.inner.past,
            "validation window": fold.inner.future,
        }
    parts["test users"] = fold.future
    empty = [name for name, part in parts.items() if not part.n_events]
    if not empty:
        return
    first, last = log.span()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    settings = f"a cutoff at {fold.cutoff} with a horizon of {_days(fold.horizon)} days"
    settings += f" after a gap of {_days(fold.gap)} days" if fold.gap else ""
    mistake = f"{settings} leaves no {' and no '.join(empty)}"
    possible = _latest_cutoff(log, fold.gap + fold.horizon)
    if first < possible - fold.gap - fold.horizon and fold.cutoff != possible:
        hint = f"choose another split.cutoff, such as {possible}, or fewer origins"
    else:
        hint = f"choose split.horizon_days below {_days((last - first) / 2 - fold.gap)}"
        if fold.inner is not None:
            hint += ", or split.valid=none for models that need no choice"
    raise DataError(f"{mistake}: the events of {log.name} are from {first} to {last}; {hint}")


def _latest_cutoff(log: EventLog, horizon: timedelta) -> datetime:
    """The latest cutoff, to the second, whose future is complete and holds the newest event."""
    newest = log.span()[1]
    assert isinstance(newest, datetime)
    return newest.replace(microsecond=0) + timedelta(seconds=1) - horizon


def _check_horizon(days: float) -> None:
    if not 0 < days <= LONGEST:
        raise ConfigError(f"split.horizon_days must be positive and at most {LONGEST}, got {days}")


def _days(horizon: timedelta) -> str:
    return f"{horizon.total_seconds() / 86_400:.4g}"
