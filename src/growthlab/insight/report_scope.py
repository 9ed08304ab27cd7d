"""The scope of a report: the log as it was known at a moment, and the terms that all sections share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.as_of import past_in_calendar
from growthlab.data.calendar import PERIODS, UTC_CALENDAR, Calendar
from growthlab.data.event_log import EventLog

ACTIVE_EVENTS = ("view", "search", "favourite", "cart", "purchase", "click", "review")
BROWSING = ("view", "search", "favourite", "cart", "click")
NO_CONVERSION = (
    f"There is no conversion: the log has no {', '.join(BROWSING[:-1])} or {BROWSING[-1]} events that count "
    "as activity (active_events)."
)
SMALLEST_GROUP = 10
DEFAULT_GROUP = 50


class SectionUnavailable(DataError):
    """The log lacks what a section needs: the report leaves the section out and gives the reason."""


@dataclass(frozen=True)
class ReportScope:
    """The events from `first_day` until before `as_of`, and the terms on which they are described.

    `log` holds what was known at `as_of`: a purchase that was cancelled by then has its
    `cancelled_at`, one that was cancelled later has none. All times are those of its calendar. A
    customer is active with one of `active_events`. Figures are of `min_group` customers or more.
    Customers first seen before `burn_in_end` may be old ones. `event_types` are those that the log has.
    """

    log: EventLog
    first_day: datetime
    as_of: datetime
    min_group: int
    active_events: tuple[str, ...]
    burn_in_end: datetime
    currency: str | None = None
    event_types: tuple[str, ...] = EVENT_TYPES

    @classmethod
    def of(
        cls,
        log: EventLog,
        *,
        as_of: str | datetime | None = None,
        min_group: int = DEFAULT_GROUP,
        active_events: Sequence[str] = ACTIVE_EVENTS,
        burn_in_days: float = 90,
        currency: str | None = None,
        calendar: Calendar = UTC_CALENDAR,
    ) -> Self:
        """The scope of a log; without `as_of` up to the end of its last day, see `past_in_calendar`.

        A text for `as_of` is a date or time by the `calendar`, a moment is in UTC.

        The burn-in is a quarter of the log at most.

        Raises
        ------
        ConfigError
            `min_group` is below `SMALLEST_GROUP`, an event type is unknown, or `as_of` is no date.
        DataError
            The log has no timestamps, or nothing that counts as activity before `as_of`.
        """
        check_min_group(min_group)
        active = checked_active_events(active_events)
        if burn_in_days < 0:
            raise ConfigError(f"burn_in_days must be 0 or more, got {burn_in_days}")
        end = calendar.parse(as_of, "as_of") if isinstance(as_of, str) else as_of
        known, last = past_in_calendar(log, end, calendar)
        kinds = ", ".join(f"'{kind}'" for kind in active)
        sql = f"SELECT min(timestamp) AS oldest FROM events WHERE event_type IN ({kinds})"
        oldest = known.query(sql)["oldest"].iloc[0]
        if pd.isna(oldest):
            when = "" if as_of is None else f" before as_of={as_of}"
            raise DataError(
                f"{log.name} has no {' or '.join(active)} event{when}: name others in active_events"
            )
        first = oldest.floor("D").to_pydatetime()
        burn_in = min(timedelta(days=burn_in_days), (last - first) / 4)
        found = known.query("SELECT DISTINCT event_type FROM events ORDER BY 1")["event_type"]
        types = tuple(map(str, found))
        return cls(known, first, last, min_group, active, first + burn_in, currency, types)

    def require(self, *columns: str, needed_by: str) -> None:
        """Raise `SectionUnavailable` if a column of events, or one like ``items.category``, is missing."""
        try:
            self.log.require(*columns, needed_by=needed_by)
        except DataError as error:
            raise SectionUnavailable(str(error)) from None

    @property
    def calendar(self) -> Calendar:
        """The calendar of the shop, by which all times are told."""
        return self.log.calendar

    @property
    def buys_alone(self) -> bool:
        """Whether purchases are the only activity that the log has."""
        return {*self.event_types} & {*self.active_events} == {"purchase"}

    @property
    def browses(self) -> bool:
        """Whether the log has activity that can come before a purchase, so that there is a conversion."""
        return bool({*self.event_types} & {*self.active_events} & {*BROWSING})

    @property
    def buyers_are_active(self) -> bool:
        """Whether the active customers are, by definition, those who bought."""
        return self.buys_alone and "cancelled_at" not in self.log.columns

    @property
    def days(self) -> int:
        """Days from `first_day` to `as_of`."""
        return max(1, round((self.as_of - self.first_day) / timedelta(days=1)))


def check_min_group(min_group: int) -> None:
    """ConfigError for groups so small that a report would reveal individuals."""
    if min_group < SMALLEST_GROUP:
        raise ConfigError(
            f"privacy.min_group must be at least {SMALLEST_GROUP}, got {min_group}: a smaller group "
            "would reveal individuals"
        )


def checked_active_events(events: Sequence[str]) -> tuple[str, ...]:
    """The event types that count as activity; ConfigError for an unknown one, or for an empty list."""
    if isinstance(events, str) or not events:
        raise ConfigError(
            f"active_events={events}: give a list, such as [{', '.join(ACTIVE_EVENTS[-3:])}]"
        )
    for kind in events:
        if kind not in EVENT_TYPES:
            raise ConfigError(f"active_events: {kind}: {near_matches(str(kind), EVENT_TYPES)}")
    return tuple(dict.fromkeys(events))


def check_period(period: str) -> None:
    """ConfigError for an unknown period."""
    if period not in PERIODS:
        raise ConfigError(f"period={period}: {near_matches(period, PERIODS)}")
