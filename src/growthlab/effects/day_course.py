"""How an effect goes over the days since the exposure: does it fade, or grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from growthlab.effects.always_valid import AlwaysValid, Mixture
from growthlab.effects.experiment_data import ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.welch import ArmMoments, WelchTest, welch

Trend = Literal["fades", "grows", "steady", "unknown"]
FEWEST_DAYS = 4
TREND_BELOW = 0.05


@dataclass(frozen=True)
class DayCourse:
    """The effect of each day since the exposure, and of all days up to it; ``(n_days,)`` each.

    Customers who were observed on all these days count, so that every day compares the same ones.
    `by_day` and `up_to` are in the outcome's unit a customer. `p_trend` tests that the effect of a day
    has no slope: each customer's own slope is one value of Welch's test.
    """

    arm: str
    n_customers: int
    by_day: WelchTest
    up_to: WelchTest
    slope: float
    p_trend: float
    always_valid: AlwaysValid | None = None

    @property
    def trend(self) -> Trend:
        """Whether the effect fades (novelty), grows (habit) or shows no trend."""
        if np.isnan(self.p_trend):
            return "unknown"
        if self.p_trend >= TREND_BELOW:
            return "steady"
        return "grows" if self.slope * self.up_to.difference[-1] > 0 else "fades"


def day_course(
    data: ExperimentData,
    outcome: ExperimentOutcome,
    arm: str,
    *,
    n_days: int,
    level: float,
    mixture: Mixture | None = None,
) -> DayCourse | None:
    """The course over the first `n_days` days; None without days, for a ratio, or with too few days.

    A share of customers counts on the first day with some, so that the days add up to it.
    """
    if data.days is None or data.observed_days is None or outcome.denominator is not None:
        return None
    whole = data.observed_days >= n_days
    rows = {name: whole & data.is_in(name) for name in (data.control, arm)}
    if n_days < FEWEST_DAYS or min(r.sum() for r in rows.values()) < 2:
        return None
    table = _by_day(data, outcome, n_days)
    weights = np.arange(n_days) - (n_days - 1) / 2
    slopes = table @ (weights / (weights**2).sum())
    moments = {
        name: [_moments(x[r]) for x in (table, np.cumsum(table, axis=1), slopes[:, None])]
        for name, r in rows.items()
    }
    by_day, up_to, slope = (
        welch(a, b, level) for a, b in zip(moments[data.control], moments[arm], strict=True)
    )
    valid = None
    if mixture is not None:
        variance = moments[arm][1].variance + moments[data.control][1].variance
        known = variance > 0
        valid = mixture.at(up_to.difference, np.where(known, variance, np.nan))
    n_customers = int(sum(r.sum() for r in rows.values()))
    return DayCourse(
        arm, n_customers, by_day, up_to, float(slope.difference[0]), float(slope.p[0]), valid
    )


def _by_day(data: ExperimentData, outcome: ExperimentOutcome, n_days: int) -> np.ndarray:
    """The outcome of each customer on each day, ``(n_customers, n_days)``."""
    assert data.days is not None
    days = data.days[(data.days["day"] >= 0) & (data.days["day"] < n_days)]
    table = np.zeros((len(data.customers), n_days))
    values = days[outcome.numerator].to_numpy(dtype=float)
    np.add.at(table, (days["customer"].to_numpy(), days["day"].to_numpy()), values)
    if outcome.is_share:
        some = table > 0
        return (some & (np.cumsum(some, axis=1) == 1)).astype(float)
    return table


def _moments(table: np.ndarray) -> ArmMoments:
    return ArmMoments.of_sums(np.full(table.shape[1], len(table)), table.sum(0), (table**2).sum(0))
