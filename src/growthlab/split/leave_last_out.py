"""LeaveLastOut: each user's last event is the future; for comparison with papers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.columns import EVENT_COLUMNS
from growthlab.data.event_log import EventLog
from growthlab.split.fold import Fold

FEWEST = 3  # one to learn from, one to choose by, one to test on


@dataclass(frozen=True)
class LeaveLastOut:
    """The last event of each user is the future, the one before it that of the inner fold.

    Users share no moment: one user's past goes on after another's future, so that models may learn from what
    had not happened yet (Ji et al., TOIS 2023). Of a last basket, the order of which means nothing, one item
    is taken by a hash of the raw ids. A user with fewer than three events that count stays in the past whole.
    Events of other types remain while they are older than the event left out, and else are in neither part.

    Parameters
    ----------
    event_types
        The events that count; by default purchases, or every event of a log that has no purchase.
    seed
        Of the hash.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.to_datetime(["2025-01-01", "2025-01-05", "2025-01-09", "2025-01-12", "2025-01-02"])
    >>> events = pd.DataFrame({"user_id": ["ann"] * 4 + ["bob"], "event_type": "purchase", "timestamp": days})
    >>> fold = LeaveLastOut().folds(EventLog.from_frames(events))[0]
    >>> [t.day for t in fold.past.to_pandas()["timestamp"]]  # ann's first three, and bob, who has too few
    [1, 5, 9, 2]
    >>> [t.day for t in fold.future.to_pandas()["timestamp"]], [t.day for t in fold.valid.to_pandas()["timestamp"]]
    ([12], [9])
    """

    event_types: Sequence[str] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [t for t in self.event_types or () if t not in EVENT_TYPES]
        if unknown:
            raise ConfigError(f"split.event_types: {unknown[0]} is none of {', '.join(EVENT_TYPES)}")

    def folds(self, log: EventLog, horizon_days: float | None = None, origins: int = 1) -> list[Fold]:
        """The one fold; the horizon of the data means nothing here.

        Raises
        ------
        DataError
            No user has three events that count.
        ConfigError
            More than one origin: there is no common moment to roll back.
        """
        if origins != 1:
            raise ConfigError(f"origins={origins} needs a common cutoff: use split=global_time")
        types = self.event_types or _counted(log)
        inner = Fold(self._past(log, types, 2), self._left_out(log, types, 2))
        fold = Fold(self._past(log, types, 1), self._left_out(log, types, 1), inner=inner)
        if not fold.future.n_events:
            counted = ", ".join(types)
            raise DataError(f"no test users: nobody in {log.name} has {FEWEST} events of the types {counted}")
        return [fold]

    def _left_out(self, log: EventLog, types: Sequence[str], place: int) -> EventLog:
        """The event in a place from the end of each user with enough of them."""
        ranked = self._ranked(log, types)
        return log.derive(f"{_COLUMNS}) FROM ({ranked}) WHERE place = {place} AND n >= {FEWEST}", store=True)

    def _past(self, log: EventLog, types: Sequence[str], place: int) -> EventLog:
        """What lies before the event in that place."""
        time = log.ordered_by
        border = f"max({time}) FILTER (place = {place} AND n >= {FEWEST}) OVER (PARTITION BY user_id)"
        ranked = f"SELECT *, {border} AS border FROM ({self._ranked(log, types)})"
        kept = f"border IS NULL OR place > {place} OR (place IS NULL AND {time} < border)"
        return log.derive(f"{_COLUMNS}, border) FROM ({ranked}) WHERE {kept}", store=True)

    def _ranked(self, log: EventLog, types: Sequence[str]) -> str:
        """Every event with `place` from the end among those that count (null for others), and their number `n`."""
        time = log.ordered_by
        counts = f"event_type IN ({', '.join(repr(t) for t in types)})"
        key = f"md5(concat_ws(chr(31), {int(self.seed)}, user_id, item_id))"
        # all columns, so that events which are the same to the key do not depend on the order of rows
        rest = ", ".join(c for c in EVENT_COLUMNS if c in log.columns and c != time)
        order = f"PARTITION BY user_id, {counts} ORDER BY {time} DESC, {key}, {rest}"
        return (
            f"SELECT *, CASE WHEN {counts} THEN row_number() OVER ({order}) END AS place, "
            f"count(*) FILTER ({counts}) OVER (PARTITION BY user_id) AS n FROM events"
        )


_COLUMNS = "SELECT * EXCLUDE (place, n"


def _counted(log: EventLog) -> list[str]:
    """The types that count by default."""
    there = log.query("SELECT DISTINCT event_type FROM events ORDER BY event_type")["event_type"].tolist()
    return ["purchase"] if "purchase" in there else there
