"""LeaveLastOut: each user's last event is the future; for comparison with papers only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.as_of import first_tables, without_cancelled_purchases
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import hashed_place
from growthlab.data.kinds import EVENT_COLUMNS
from growthlab.split.fold import Fold

FEWEST = 3  # events or baskets: one for training, one for validation, one for test


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
    whole_baskets
        Whether the whole last basket (all events of one time) is left out instead of one item of it,
        and the basket before it; then users need three baskets. None: where the task asks for it, as
        ``task.target=last`` does.
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
    whole_baskets: bool | None = None
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
                f"no test users: nobody in {log.name} has {FEWEST} {self._unit} of the types {listed}"
            )
        return [fold]

    @property
    def _unit(self) -> str:
        return "baskets" if self.whole_baskets else "events"

    def for_last_baskets(self) -> LeaveLastOut:
        """The split for a task that asks for whole last baskets, unless a setting says otherwise."""
        return replace(self, whole_baskets=True) if self.whole_baskets is None else self

    def _without_cold(self, shares: int) -> Callable[[EventLog], EventLog]:
        """A filter that drops the events of `shares` times the cold share of the items.

        The items of one share are among those of two.
        """
        border = int(shares * self.cold_share * 2**32)
        kept = f"item_id IS NULL OR {hashed_place('item_id', self.seed, 'cold')} >= {border}"
        return lambda log: log.where(kept) if border else log

    def _ranked(self, log: EventLog, types: Sequence[str]) -> str:
        """SQL for the events with their `place` from the end among those of the user and the types.

        All events of a basket have one place where whole baskets are left out. `place` is null for other
        types, `n` the number of places of the user. `border_1` and `border_2` are the times of the last event
        and the one before (null for users with too few).
        """
        time = log.ordered_by
        counts = f"event_type IN ({', '.join(repr(t) for t in types)})"
        key = f"md5(concat_ws(chr(31), {int(self.seed)}, user_id, item_id))"
        # by all columns, so that the order of rows does not decide between equal keys
        rest = ", ".join(c for c in EVENT_COLUMNS if c in log.columns and c != time)
        number, order = "row_number()", f"{time} DESC, {key}, {rest}"
        if self.whole_baskets:
            number, order = "dense_rank()", f"{time} DESC"
        window = f"PARTITION BY user_id, {counts} ORDER BY {order}"
        placed = (
            f"SELECT *, CASE WHEN {counts} THEN {number} OVER ({window}) END AS place FROM events"
        )
        own = "OVER (PARTITION BY user_id)"
        counted = f"SELECT *, max(place) {own} AS n FROM ({placed})"
        borders = ", ".join(
            f"max({time}) FILTER (place = {p} AND n >= {FEWEST}) {own} AS border_{p}"
            for p in (1, 2)
        )
        return f"SELECT *, {borders} FROM ({counted})"


_COLUMNS = "SELECT * EXCLUDE (place, n, border_1, border_2) FROM events"


def _left_out(ranked: EventLog, place: int) -> EventLog:
    """The event or basket at a place from the end, of each user with enough of them."""
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
