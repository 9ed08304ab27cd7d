"""Local times to UTC, and amounts of several currencies to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches


class UtcTimes(NamedTuple):
    """Naive UTC times, and how many local times occurred twice or never."""

    times: pd.Series
    n_ambiguous: int
    n_nonexistent: int


def to_utc(times: pd.Series, timezone: str | None) -> UtcTimes:
    """Naive local times of `timezone` (an IANA name; null: UTC) as UTC; aware times by their own zone.

    A time that occurs twice, when clocks go back, is taken as the first of the two; a time that
    never occurred, when clocks go forward, as the first moment after the gap. Both are counted.
    """
    if times.dt.tz is not None:
        return UtcTimes(times.dt.tz_convert("UTC").dt.tz_localize(None), 0, 0)
    if timezone is None:
        return UtcTimes(times, 0, 0)
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(
            f"timezone {timezone!r} is not known: give a name such as Europe/London"
        ) from None
    localised = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    unclear = localised.isna() & times.notna()
    if not unclear.any():
        return UtcTimes(localised.dt.tz_convert("UTC").dt.tz_localize(None), 0, 0)
    wall_times = times[unclear]
    twice = wall_times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna()
    is_summer_time = [True] * len(wall_times)  # the earlier of two moments
    localised[unclear] = wall_times.dt.tz_localize(
        zone, ambiguous=is_summer_time, nonexistent="shift_forward"
    )
    naive = localised.dt.tz_convert("UTC").dt.tz_localize(None)
    return UtcTimes(naive, int(twice.sum()), int((~twice).sum()))


@dataclass(frozen=True)
class Currencies:
    """Fixed exchange `rates`: the value of one unit of each currency in the base currency."""

    rates: Mapping[str, float]

    def __post_init__(self) -> None:
        for currency, rate in self.rates.items():
            if not rate > 0:
                raise ConfigError(f"the rate of {currency} must be positive, not {rate}")

    def to_base(self, amounts: pd.Series, currencies: pd.Series) -> pd.Series:
        """Amounts in the base; DataError names the row (from 1) of a currency without a rate."""
        rate = currencies.map(dict(self.rates)).astype("float64")
        bad = rate.isna() & amounts.notna()
        if bad.any():
            row = int(bad.to_numpy().argmax())
            currency = str(currencies.iloc[row])
            hint = near_matches(currency, self.rates)
            raise DataError(f"row {row + 1}: no rate for the currency {currency!r}: {hint}")
        return amounts * rate
