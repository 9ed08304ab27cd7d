"""The calendar of a shop: the zone in which its days begin, and the day on which its weeks do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pandas as pd

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.moments import parse_moment
from growthlab.data.normalise import local_zone, to_local, to_utc

Period = Literal["day", "week", "month"]
PERIODS = ("day", "week", "month")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Calendar:
    """`timezone` is an IANA name; `week_start` a day of `WEEKDAYS`.

    Moments are naive: local ones are what a clock in the shop shows, so that a day is a date also
    where clocks are changed.

    Raises
    ------
    ConfigError
        There is no such zone or day.
    """

    timezone: str = "UTC"
    week_start: str = "monday"

    def __post_init__(self) -> None:
        try:
            local_zone(str(self.timezone))
        except ConfigError as error:
            raise ConfigError(f"report.{error}") from None
        if self.week_start not in WEEKDAYS:
            near = near_matches(str(self.week_start), WEEKDAYS)
            raise ConfigError(f"report.week_start={self.week_start}: {near}")

    @property
    def first_weekday(self) -> int:
        """The day on which weeks begin, from 0 for Monday."""
        return WEEKDAYS.index(self.week_start)

    def local(self, moment: datetime) -> datetime:
        """A moment in UTC as the shop's clock shows it."""
        return to_local(pd.Series([moment]), self.timezone).iloc[0].to_pydatetime()

    def utc(self, moment: datetime) -> datetime:
        """The moment in UTC at which the shop's clock shows a time; of two the first."""
        return to_utc(pd.Series([moment]), self.timezone).times.iloc[0].to_pydatetime()

    def parse(self, text: Any, setting: str) -> datetime:
        """A date or time in ISO form as UTC; without a zone it is the shop's, a date its midnight.

        Raises
        ------
        ConfigError
            `text` is neither; the message names the `setting`.
        """
        return parse_moment(text, setting, local_zone(self.timezone))

    def period_start(self, period: Period, time: str = "timestamp") -> str:
        """SQL for the first day of the period of a local time."""
        if period == "week" and self.first_weekday:
            days = f"INTERVAL {self.first_weekday} DAY"
            return f"(date_trunc('week', {time} - {days}) + {days})::TIMESTAMP"
        return f"date_trunc('{period}', {time})::TIMESTAMP"

    def step(self, period: Period) -> str:
        """The offset of pandas from one period to the next, at whose beginning it is."""
        return {"day": "D", "week": f"W-{self._short_day(0)}", "month": "MS"}[period]

    def start_of(self, days: pd.Series, period: Period) -> pd.Series:
        """The first day of the period of each day."""
        code = {"day": "D", "week": f"W-{self._short_day(-1)}", "month": "M"}[period]
        return days.dt.to_period(code).dt.start_time.astype(days.dtype)

    def _short_day(self, after: int) -> str:
        """A day so many days after the first of a week, as pandas writes it."""
        return WEEKDAYS[(self.first_weekday + after) % 7][:3].upper()


UTC_CALENDAR = Calendar()
