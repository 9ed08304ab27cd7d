"""LeaveLastOut: each user's last event is the future; for comparison with papers only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.cancellations import standing
from growthlab.data.columns import EVENT_COLUMNS
from growthlab.data.event_log import EventLog
from growthlab.split.fold import Fold

FEWEST = 3  # one to learn from, one to choose by, one to test on


@dataclass(frozen=True)
class LeaveLastOut:
    """The last event of each user is the future, the one before it that of the inner fold.

    Users share no moment: one user's past goes on after another's future, so that models may learn
    from what had not happened yet (Ji et al., TOIS 2023). Of a last basket, the order of which
    means nothing, one item is taken by a hash of the raw ids. A user with fewer than three events
    that count stays in the past whole. Events of other types remain while they are older than the
    event left out, and else are in neither part.

    Parameters
    ----------
    event_types
        The events that count; by default purchases, or every event of a log that has no purchase.
    seed
        Of the hash.
    cold_share
        This share of the items, by a hash of the raw id, has no event in the past, and as many
        others have none in the past of the inner fold: items that were not there yet, of which a
        user's history says nothing (Schein et al., "Methods and Metrics for Cold-Start
        Recommendations", SIGIR 2002). They stay in the item table and are still to be foretold.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.to_datetime([f"2025-01-{d:02d}" for d in (1, 5, 9, 12, 2)])
    >>> events = pd.DataFrame({"user_id": ["ann"] * 4 + ["bob"], "timestamp": days})
    >>> events["event_type"] = "purchase"
    >>> fold = LeaveLastOut().folds(EventLog.from_frames(events))[0]
    >>> [t.day for t in fold.past.to_pandas()["timestamp"]]  # ann's first, and bob's
    [1, 5, 9, 2]
    >>> [t.day for t in fold.future.to_pandas()["timestamp"]]
    [12]
    >>> [t.day for t in fold.valid.to_pandas()["timestamp"]]
    [9]
    """

    event_types: Sequence[str] | None = None
    seed: int = 0
    cold_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.cold_share < 0.5:
            raise ConfigError(
                f"split.cold_share must be in [0, 0.5), got {self.cold_share}: as many items again "
                "are cold where models are chosen"
            )
        unknown = [t for t in self.event_types or () if t not in EVENT_TYPES]
        if unknown:
            raise ConfigError(
                f"split.event_types: {unknown[0]} is none of {', '.join(EVENT_TYPES)}"
            )

    def folds(
        self, log: EventLog, horizon_days: float | None = None, origins: int = 1
    ) -> list[Fold]:
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
        ranked = standing(log).derive(self._ranked(log, types), store=True)
        once, twice = (self._without_cold(n) for n in (1, 2))
        inner = Fold(twice(_before(ranked, 2)), once(_left_out(ranked, 2)))
        fold = Fold(once(_before(ranked, 1)), _left_out(ranked, 1), inner=inner)
        if not fold.future.n_events:
            counted = ", ".join(types)
            raise DataError(
                f"no test users: nobody in {log.name} has {FEWEST} events of the types {counted}"
            )
        return [fold]

    def _without_cold(self, shares: int) -> Callable[[EventLog], EventLog]:
        """Takes away the events of so many times the share of the items, the same ones first."""
        border = int(shares * self.cold_share * 2**32)
        key = f"md5(concat_ws(chr(31), {int(self.seed)}, 'cold', item_id))"
        place = f"CAST('0x' || left({key}, 8) AS BIGINT)"  # 0 ... 2 ** 32 - 1
        kept = f"item_id IS NULL OR {place} >= {border}"
        return lambda log: log.where(kept) if border else log

    def _ranked(self, log: EventLog, types: Sequence[str]) -> str:
        """Each event with its `place` from the end among its user's that count (null for others).

        `border_1` and `border_2` are the times of the last and the one before (null for users with
        too few).
        """
        time = log.ordered_by
        counts = f"event_type IN ({', '.join(repr(t) for t in types)})"
        key = f"md5(concat_ws(chr(31), {int(self.seed)}, user_id, item_id))"
        # all columns, so that equal keys do not let the order of rows decide
        rest = ", ".join(c for c in EVENT_COLUMNS if c in log.columns and c != time)
        order = f"PARTITION BY user_id, {counts} ORDER BY {time} DESC, {key}, {rest}"
        placed = (
            f"SELECT *, CASE WHEN {counts} THEN row_number() OVER ({order}) END AS place, "
            f"count(*) FILTER ({counts}) OVER (PARTITION BY user_id) AS n FROM events"
        )
        own = "OVER (PARTITION BY user_id)"
        borders = ", ".join(
            f"max({time}) FILTER (place = {p} AND n >= {FEWEST}) {own} AS border_{p}"
            for p in (1, 2)
        )
        return f"SELECT *, {borders} FROM ({placed})"


_COLUMNS = "SELECT * EXCLUDE (place, n, border_1, border_2) FROM events"


def _left_out(ranked: EventLog, place: int) -> EventLog:
    """The event in a place from the end of each user with enough of them."""
    return ranked.derive(f"{_COLUMNS} WHERE place = {place} AND n >= {FEWEST}")


def _before(ranked: EventLog, place: int) -> EventLog:
    """What lies before the event in that place; everything of a user who has no such border."""
    older = f"place IS NULL AND {ranked.ordered_by} < border_{place}"
    return ranked.derive(f"{_COLUMNS} WHERE border_{place} IS NULL OR place > {place} OR ({older})")


def _counted(log: EventLog) -> list[str]:
    """The types that count by default."""
    there = log.query("SELECT DISTINCT event_type FROM events ORDER BY event_type")[
        "event_type"
    ].tolist()
    return ["purchase"] if "purchase" in there else there
