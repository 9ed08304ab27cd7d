"""Before an experiment: the customers and days that it needs, and the effect that it could show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches, quoted
from growthlab.effects.experiment_data import BEFORE, FEWEST
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.power import customers_for_mean, customers_for_share, detectable
from growthlab.effects.segment_effects import levels_of
from growthlab.effects.shop_window import ShopWindow

EVERYBODY = "everybody"


@dataclass(frozen=True, kw_only=True)
class PowerSettings:
    """The outcomes, the relative `effect` to be shown, the number of arms of equal size, and the errors.

    Raises
    ------
    ConfigError
        A value out of its range.
    """

    outcomes: Sequence[ExperimentOutcome]
    effect: float
    segments: Sequence[str] = ()
    arms: int = 2
    alpha: float = 0.05
    power: float = 0.8

    def __post_init__(self) -> None:
        if not self.outcomes:
            raise ConfigError("outcomes=[] leaves nothing to plan for: name some")
        if not self.effect > -1 or self.effect == 0:
            raise ConfigError(f"effect must be a relative change such as 0.05, got {self.effect:g}")
        if self.arms < 2:
            raise ConfigError(f"arms must be 2 or more, the control among them, got {self.arms}")
        if not 0 < self.alpha < 0.5:
            raise ConfigError(f"alpha must lie between 0 and 0.5, got {self.alpha:g}")
        if not 0.5 <= self.power < 1:
            raise ConfigError(f"power must lie between 0.5 and 1, got {self.power:g}")


def plan(window: ShopWindow, settings: PowerSettings) -> pd.DataFrame:
    """A row an outcome and segment: customers, mean, customers needed an arm, days, what could be shown.

    `needed_with_cuped` is the number where the outcome is adjusted by itself in the days before, and
    `variance_left` what that leaves of the variance. `days` are those in which as many customers come,
    and those of the outcome itself. `detectable` is the relative effect that the customers of the
    window would show. NaN where the log cannot say.

    Raises
    ------
    DataError
        An outcome or a segment that the log does not have.
    """
    window.require(settings.outcomes)
    rows = [
        _row(window, settings, outcome, segment, members)
        for segment, members in _segments(window.customers, settings.segments)
        for outcome in settings.outcomes
    ]
    return pd.DataFrame(rows)


def _segments(customers: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Everybody, then each level of each column with enough customers for two arms."""
    yield EVERYBODY, np.ones(len(customers), dtype=bool)
    for column in columns:
        if column not in customers:
            near = near_matches(column, map(str, customers))
            raise DataError(
                f"segments={quoted(column)}: the log knows no such thing of its users: {near}"
            )
        names = levels_of(customers[column])
        for level in sorted(names.unique()):
            members = (names == level).to_numpy()
            if members.sum() >= 2 * FEWEST:
                yield f"{column}: {level}", members


def _row(
    window: ShopWindow,
    settings: PowerSettings,
    outcome: ExperimentOutcome,
    segment: str,
    members: np.ndarray,
) -> dict[str, object]:
    rows = window.customers[members]
    values, mean = outcome.linearised(rows)
    variance = float(values.var(ddof=1))
    left = _variance_left(outcome, rows, values)
    needed = _needed(outcome, outcome.values(rows), mean, variance, settings)
    adjusted = needed * left
    share = float(members.mean())
    n = len(rows) / settings.arms
    error = math.sqrt(2 * variance / n)
    smallest = detectable(error, alpha=settings.alpha, power=settings.power)
    total = settings.arms * adjusted / share if math.isfinite(adjusted) else math.nan
    return {
        "segment": segment,
        "outcome": outcome.name,
        "customers": len(rows),
        "mean": mean,
        "sd": math.sqrt(variance),
        "needed": needed,
        "variance_left": left,
        "needed_with_cuped": adjusted,
        "days": window.days_for(total) + window.days if math.isfinite(total) else math.nan,
        "detectable": smallest / mean if mean > 0 else math.nan,
        "detectable_with_cuped": smallest * math.sqrt(left) / mean if mean > 0 else math.nan,
    }


def _needed(
    outcome: ExperimentOutcome,
    values: np.ndarray,
    mean: float,
    variance: float,
    settings: PowerSettings,
) -> float:
    """Customers an arm for the effect; NaN where nobody has the outcome, or a share would exceed 1."""
    if not mean > 0 or not variance > 0:
        return math.nan
    errors = {"alpha": settings.alpha, "power": settings.power}
    if outcome.is_share_of(values):
        other = mean * (1 + settings.effect)
        return customers_for_share(mean, other, **errors) if other < 1 else math.nan
    return customers_for_mean(settings.effect * mean, variance, **errors)


def _variance_left(outcome: ExperimentOutcome, rows: pd.DataFrame, values: np.ndarray) -> float:
    """1 - the squared correlation with the same outcome in the days before; 1 for a ratio."""
    if outcome.denominator is not None or f"{BEFORE}{outcome.numerator}" not in rows:
        return 1.0
    before = outcome.values(rows, BEFORE)
    if not np.ptp(before) or not np.ptp(values):
        return 1.0
    return float(1 - np.corrcoef(values, before)[0, 1] ** 2)
