"""Given: the split that a column of the log defines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.data.as_of import first_tables, without_cancelled_purchases
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import hashed_place, sql_time
from growthlab.split.fold import Fold

PARTS = ("train", "valid", "test")
WINDOWS = ("column", "horizon", "sessions", "none")


@dataclass(frozen=True)
class Given:
    """The split that a data set was published with: `column` holds train, valid or test.

    The past is train and valid, the future is test; the inner fold has train as its past and valid
    as its future. Where the column has no valid events, its future is taken from the past.

    Parameters
    ----------
    column
        The column of the log.
    valid
        Where the validation window comes from: ``column``; ``horizon``, the last `horizon_days` of the
        past; ``sessions``, a share of the sessions of the past, or of its users where it has none, by a
        hash of their ids; ``none``: nothing is chosen. None: the column, and without valid events in it
        the horizon, or the sessions of a log without times or without a horizon.
    horizon_days
        By default the data set's own.
    valid_share, seed
        Of the sessions that are taken.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.to_datetime(["2025-01-01", "2025-01-05", "2025-01-09"])
    >>> events = pd.DataFrame({"user_id": "ann", "event_type": "purchase", "timestamp": days})
    >>> events["split"] = ["train", "valid", "test"]
    >>> fold = Given().folds(EventLog.from_frames(events))[0]
    >>> [t.day for t in fold.past.to_pandas()["timestamp"]]
    [1, 5]
    >>> [t.day for t in fold.valid.to_pandas()["timestamp"]]
    [5]
    """

    column: str = "split"
    valid: str | None = None
    horizon_days: float | None = None
    valid_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.valid is not None and self.valid not in WINDOWS:
            raise ConfigError(f"split.valid={self.valid}: {near_matches(self.valid, WINDOWS)}")
        if not 0 < self.valid_share < 1:
            raise ConfigError(
                f"split.valid_share must be above 0 and below 1, got {self.valid_share}"
            )
        if self.horizon_days is not None and not self.horizon_days > 0:
            raise ConfigError(f"split.horizon_days must be positive, got {self.horizon_days}")

    def folds(
        self, log: EventLog, horizon_days: float | None = None, origins: int = 1
    ) -> list[Fold]:
        """The only fold; the horizon of the data is that of a validation window taken from the past.

        Raises
        ------
        DataError
            A missing column, a value other than the three, or no event in train or in test, or on one
            side of the validation window.
        ConfigError
            More than one origin, or a validation window that this log does not have.
        """
        if origins != 1:
            raise ConfigError(f"origins={origins} needs a common cutoff: use split=global_time")
        log.require(self.column, needed_by="split=given")
        log = first_tables(without_cancelled_purchases(log))
        counts = self._counts(log)
        past = log.where(f"{self.column} IN ('train', 'valid')")
        source = self._source(log, "valid" in counts, self.horizon_days or horizon_days)
        inner = None if source == "none" else self._inner(past, source, horizon_days)
        return [Fold(past, log.where(f"{self.column} = 'test'"), inner=inner)]

    def _source(self, log: EventLog, has_valid: bool, days: float | None) -> str:
        """Where the validation window comes from; ConfigError where the log cannot give it."""
        timed = log.ordered_by == "timestamp" and days is not None
        if self.valid == "column" and not has_valid:
            raise ConfigError(
                f"split.valid=column, but no event of {log.name} has {self.column}=valid: take it from "
                "the past with split.valid=horizon or sessions, or choose nothing with split.valid=none"
            )
        if self.valid == "horizon" and not timed:
            lacking = (
                "times" if log.ordered_by != "timestamp" else "horizon: set split.horizon_days"
            )
            raise ConfigError(
                f"split.valid=horizon, but {log.name} has no {lacking}; split.valid=sessions takes a "
                "share of the sessions"
            )
        if self.valid is not None:
            return self.valid
        return "column" if has_valid else "horizon" if timed else "sessions"

    def _inner(self, past: EventLog, source: str, horizon_days: float | None) -> Fold:
        """The past cut in two; DataError for a part without events."""
        if source == "column":
            later = f"{self.column} = 'valid'"
        elif source == "horizon":
            later = _in_last_days(past, self.horizon_days or horizon_days or 0)
        else:
            unit = "session_id" if "session_id" in past.columns else "user_id"
            place = hashed_place(unit, self.seed, "valid")
            later = f"coalesce({place} < {int(self.valid_share * 2**32)}, false)"
        inner = Fold(past.where(f"NOT ({later})"), past.where(later))
        for part, place in ((inner.past, "before or outside"), (inner.future, "in")):
            if not part.n_events:
                raise DataError(
                    f"split.valid={source} leaves no event of the past of {past.name} {place} the "
                    "validation window: set split.valid or its length otherwise, or split.valid=none"
                )
        return inner

    def _counts(self, log: EventLog) -> dict[str, int]:
        """The number of events of each part."""
        column = self.column
        rows = log.query(
            f"SELECT {column} AS part, count(*) AS n FROM events GROUP BY ALL ORDER BY ALL"
        )
        counts = dict(zip(rows["part"].fillna("nothing"), rows["n"], strict=True))
        unknown = [part for part in counts if part not in PARTS]
        if unknown:
            raise DataError(
                f"{counts[unknown[0]]} events of {log.name} have {unknown[0]} in the column "
                f"{column}: possible are {', '.join(PARTS)}"
            )
        for part, meaning in (("train", "past"), ("test", "test users")):
            if part not in counts:
                raise DataError(
                    f"no event of {log.name} has {column}={part}: there would be no {meaning}"
                )
        return counts


def _in_last_days(past: EventLog, days: float) -> str:
    """The SQL condition for the last days of a log with times."""
    newest = past.span()[1]
    assert isinstance(newest, datetime)
    # as for a cutoff: to the second after the newest event
    start = newest.replace(microsecond=0) + timedelta(seconds=1) - timedelta(days=days)
    return f"timestamp >= {sql_time(start)}"
