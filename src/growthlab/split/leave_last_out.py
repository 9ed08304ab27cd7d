"""LeaveLastOut: each user's last event is the future; for comparison with papers only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.as_of import first_tables
from growthlab.data.cancellations import without_cancelled_purchases
from growthlab.data.columns import EVENT_COLUMNS
from growthlab.data.event_log import EventLog
from growthlab.split.fold import Fold

FEWEST = 3  # events: one for training, one for validation, one for test


@dataclass(frozen=True)
class LeaveLastOut:
    """Each user's last event is the future, the one before it the future of the inner fold.

    There is no common cutoff: one user's past goes on after another's future, so models may learn
    from what had not happened yet (Ji et al., TOIS 2023). As the order within a basket means
    nothing, one item of the last basket is chosen by a hash of the raw ids. All events of a user
    with fewer than three events of `event_types` are in the past. Events of other types are in the
    past if they are older than the event left out, else in neither part.

    Parameters
    ----------
    event_types
        The types that are left out; by default purchases, or every type of a log without purchases.
    seed
        Of the hash.
    cold_share
        This share of the items, by a hash of the raw id, has no events in the past, and as many
        others have none in the past of the inner fold: they are new items, unknown to every history
        (Schein et al., "Methods and Metrics for Cold-Start Recommendations", SIGIR 2002). They stay
        in the item table and among the targets.

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
                f"split.event_types: {unknown[0]} is not one of {', '.join(EVENT_TYPES)}"
            )

    def folds(
        self, log: EventLog, horizon_days: float | None = None, origins: int = 1
    ) -> list[Fold]:
        """The only fold; the horizon of the data is ignored.

        Raises
        ------
        DataError
            No user has three events of the types.
        ConfigError
            More than one origin: there is no common moment to roll back.
        """
        if origins != 1:
            raise ConfigError(f"origins={origins} needs a common cutoff: use split=global_time")
        types = self.event_types or _default_types(log)
        known = first_tables(without_cancelled_purchases(log))
        ranked = known.derive(self._ranked(known, types), store=True)
        drop_cold, drop_more_cold = (self._without_cold(n) for n in (1, 2))
        inner = Fold(drop_more_cold(_before(ranked, 2)), drop_cold(_left_out(ranked, 2)))
        fold = Fold(drop_cold(_before(ranked, 1)), _left_out(ranked, 1), inner=inner)
        if not fold.future.n_events:
            listed = ", ".join(types)
            raise DataError(
                f"no test users: nobody in {log.name} has {FEWEST} events of the types {listed}"
            )
        return [fold]

    def _without_cold(self, shares: int) -> Callable[[EventLog], EventLog]:
        """A filter that drops the events of `shares` times the cold share of the items.

        The items of one share are among those of two.
        """
        border = int(shares * self.cold_share * 2**32)
        key = f"md5(concat_ws(chr(31), {int(self.seed)}, 'cold', item_id))"
        place = f"CAST('0x' || left({key}, 8) AS BIGINT)"  # 0 ... 2 ** 32 - 1
        kept = f"item_id IS NULL OR {place} >= {border}"
        return lambda log: log.where(kept) if border else log

    def _ranked(self, log: EventLog, types: Sequence[str]) -> str:
        """SQL for the events with their `place` from the end among those of the user and the types.

        `place` is null for other types. `border_1` and `border_2` are the times of the last event
        and the one before (null for users with too few).
        """
        time = log.ordered_by
        counts = f"event_type IN ({', '.join(repr(t) for t in types)})"
        key = f"md5(concat_ws(chr(31), {int(self.seed)}, user_id, item_id))"
        # by all columns, so that the order of rows does not decide between equal keys
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
    """The event at a place from the end, of each user with enough events."""
    return ranked.derive(f"{_COLUMNS} WHERE place = {place} AND n >= {FEWEST}")


def _before(ranked: EventLog, place: int) -> EventLog:
    """The events before the one at that place; all events of a user with too few."""
    older = f"place IS NULL AND {ranked.ordered_by} < border_{place}"
    return ranked.derive(f"{_COLUMNS} WHERE border_{place} IS NULL OR place > {place} OR ({older})")


def _default_types(log: EventLog) -> list[str]:
    """Purchases, or all types of a log without purchases."""
    rows = log.query("SELECT DISTINCT event_type FROM events ORDER BY event_type")
    types: list[str] = rows["event_type"].tolist()
    return ["purchase"] if "purchase" in types else types
