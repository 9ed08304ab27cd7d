"""What a report is about: the log as it was known at a moment, and what all sections share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Self

import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.histories import EVENT_TYPES
from growthlab.core.moments import parse_moment
from growthlab.data.as_of import customer_events_at
from growthlab.data.event_log import EventLog

Period = Literal["day", "week", "month"]
PERIODS = ("day", "week", "month")
ACTIVE = ("view", "search", "favourite", "cart", "purchase", "click", "review")
LEAST_GROUP = 10
USUAL_GROUP = 50


class Unavailable(DataError):
    """The log does not hold what a section needs: the report does without it, and says so."""


@dataclass(frozen=True)
class Scope:
    """The events before `as_of`, from the day `first` on, and the terms on which they are described.

    `log` holds what was known then: a purchase that was cancelled by then has its `cancelled_at`,
    one that was cancelled later has none. A customer is active with one of `active_events`.
    Figures are of `min_group` customers or more. `settled` is when the burn-in ends: who was first
    seen before it may be an old customer.
    """

    log: EventLog
    first: datetime
    as_of: datetime
    min_group: int
    active_events: tuple[str, ...]
    settled: datetime
    currency: str | None = None

    @classmethod
    def of(
        cls,
        log: EventLog,
        *,
        as_of: str | None = None,
        min_group: int = USUAL_GROUP,
        active_events: Sequence[str] = ACTIVE,
        burn_in_days: float = 90,
        currency: str | None = None,
    ) -> Self:
        """The scope of a log; null `as_of`: up to the end of its last day.

        The burn-in is a quarter of the log at most.

        Raises
        ------
        ConfigError
            Groups smaller than `LEAST_GROUP`, an unknown event type, a date that is none.
        DataError
            The log has no timestamps, or nothing that counts as activity before `as_of`.
        """
        log.require("timestamp", needed_by="a report")
        check_group(min_group)
        active = checked_events(active_events)
        end = None if as_of is None else parse_moment(as_of, "as_of")
        known = customer_events_at(log, end)
        kinds = ", ".join(f"'{kind}'" for kind in active)
        sql = f"SELECT min(timestamp), max(timestamp) FROM events WHERE event_type IN ({kinds})"
        oldest, newest = known.query(sql).iloc[0]
        if pd.isna(oldest):
            when = "" if as_of is None else f" before as_of={as_of}"
            raise DataError(
                f"{log.name} has no {' or '.join(active)} event{when}: name others in active_events"
            )
        first = oldest.floor("D").to_pydatetime()
        last = end or (newest.floor("D") + pd.Timedelta(days=1)).to_pydatetime()
        if burn_in_days < 0:
            raise ConfigError(f"burn_in_days must be 0 or more, got {burn_in_days}")
        burn_in = min(timedelta(days=burn_in_days), (last - first) / 4)
        return cls(known, first, last, min_group, active, first + burn_in, currency)

    def require(self, *columns: str, needed_by: str) -> None:
        """`Unavailable` where a column of events, or ``items.category`` and the like, is gone."""
        try:
            self.log.require(*columns, needed_by=needed_by)
        except DataError as error:
            raise Unavailable(str(error)) from None

    @property
    def days(self) -> int:
        """Days from the first to the end."""
        return max(1, round((self.as_of - self.first) / timedelta(days=1)))


def check_group(min_group: int) -> None:
    """ConfigError for groups so small that a report would tell on single customers."""
    if min_group < LEAST_GROUP:
        raise ConfigError(
            f"privacy.min_group must be at least {LEAST_GROUP}, got {min_group}: a smaller group "
            "would tell on its members"
        )


def checked_events(events: Sequence[str]) -> tuple[str, ...]:
    """The event types that count as activity; ConfigError for one that there is not, or for none."""
    if isinstance(events, str) or not events:
        raise ConfigError(
            f"active_events={events}: give a list, such as [{', '.join(ACTIVE[-3:])}]"
        )
    for kind in events:
        if kind not in EVENT_TYPES:
            raise ConfigError(f"active_events: {kind}: {near_matches(str(kind), EVENT_TYPES)}")
    return tuple(dict.fromkeys(events))


def check_period(period: str) -> None:
    """ConfigError for a period that is none."""
    if period not in PERIODS:
        raise ConfigError(f"period={period}: {near_matches(period, PERIODS)}")
