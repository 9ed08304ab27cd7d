"""Local times to UTC, and amounts of several currencies to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError


class UtcTimes(NamedTuple):
    """Naive UTC times, and of each whether its local time was unclear.

    `unclear` is 1 where the local time occurred twice, 2 where it never did, else 0.
    """

    times: pd.Series
    unclear: np.ndarray

    @property
    def n_ambiguous(self) -> int:
        """The number of local times that occurred twice."""
        return int((self.unclear == 1).sum())

    @property
    def n_nonexistent(self) -> int:
        """The number of local times that never occurred."""
        return int((self.unclear == 2).sum())


def to_utc(times: pd.Series, timezone: str | None) -> UtcTimes:
    """Naive local times of `timezone` (an IANA name; null: UTC) as UTC; aware times by their own zone.

    A time that occurs twice, when clocks go back, is taken as the first of the two; a time that
    never occurred, when clocks go forward, as the first moment after the gap.
    """
    unclear = np.zeros(len(times), dtype=np.int8)
    if times.dt.tz is not None:
        return UtcTimes(times.dt.tz_convert("UTC").dt.tz_localize(None), unclear)
    if timezone is None:
        return UtcTimes(times, unclear)
    zone = local_zone(timezone)
    localised = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    is_unclear = localised.isna() & times.notna()
    if is_unclear.any():
        wall_times = times[is_unclear]
        twice = wall_times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna()
        is_summer_time = [True] * len(wall_times)  # the earlier of two moments
        localised[is_unclear] = wall_times.dt.tz_localize(
            zone, ambiguous=is_summer_time, nonexistent="shift_forward"
        )
        unclear[is_unclear.to_numpy()] = np.where(twice, 1, 2)
    return UtcTimes(localised.dt.tz_convert("UTC").dt.tz_localize(None), unclear)


def to_local(times: pd.Series, timezone: str) -> pd.Series:
    """Naive UTC times as the clocks of `timezone` show them."""
    aware = times.dt.tz_localize("UTC").dt.tz_convert(local_zone(timezone))
    return aware.dt.tz_localize(None)


def local_zone(timezone: str) -> ZoneInfo:
    """The zone of an IANA name; ConfigError where there is none."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"timezone {timezone!r} is not known: give a name such as Europe/London"
        ) from None


@dataclass(frozen=True)
class Currencies:
    """Fixed exchange `rates`: the value of one unit of each currency in the base currency."""

    rates: Mapping[str, float]

    def __post_init__(self) -> None:
        for currency, rate in self.rates.items():
            if not rate > 0:
                raise ConfigError(f"the rate of {currency} must be positive, not {rate}")
