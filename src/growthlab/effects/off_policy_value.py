"""What another policy would have earned: six estimators, their intervals, and the weights behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from growthlab.core.claims import Claim
from growthlab.core.errors import ConfigError, DataError
from growthlab.effects.arm_resamples import resampled_means
from growthlab.effects.logged_actions import LoggedActions

DIRECT = "direct method"
FEWEST_EFFECTIVE = 100.0
MOST_UNSUPPORTED = 0.01  # of the policy's probability on actions that the log never shows
FAR_FROM_ONE = 4.0  # standard errors of the mean weight


class Weights(NamedTuple):
    """Figures of the weights: `clipped` is the share above the largest that switch-DR trusts."""

    effective_size: float
    largest: float
    mean: float
    mean_error: float
    clipped: float


@dataclass(frozen=True)
class PolicyValue:
    """An estimate of the mean reward of a row, with bounds over resamples.

    The direct method has none (NaN): how far its reward model is off, no resample shows.
    """

    estimator: str
    value: float
    low: float
    high: float
    claim: Claim = Claim.OFF_POLICY

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class OffPolicyValue:
    """The estimates by name, what the log's own policy earned, and the weights."""

    estimates: Mapping[str, PolicyValue]
    on_policy: PolicyValue
    weights: Weights
    n_rows: int

    @property
    def headline(self) -> PolicyValue:
        """The estimate that is quoted: doubly robust where there is one, else self-normalised."""
        return self.estimates.get("doubly robust") or self.estimates["SNIPS"]


def effective_size(weights: np.ndarray) -> float:
    """(sum of weights)^2 / sum of squares: as many unweighted rows say as much; 0 without weight.

    >>> round(effective_size(np.array([1.6, 0.4, 2.0, 0.4, 1.6])), 6)
    3.813559
    """
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def contributions(
    actions: LoggedActions, *, switch_at: float, shrinkage: float
) -> dict[str, np.ndarray]:
    """What each row adds to each estimator, ``(n,)``: the estimate is their mean.

    Of SNIPS, the numerator: its denominator is the mean weight. IPS (Horvitz and Thompson, 1952),
    SNIPS (Swaminathan and Joachims, 2015), the direct method, DR (Dudik et al., 2011), switch-DR
    (Wang et al., 2017) and DR with shrinkage (Su et al., 2020).
    """
    w, r = actions.weights, actions.reward
    found = {"IPS": w * r, "SNIPS": w * r}
    if actions.direct_logged is None or actions.direct_policy is None:
        return found
    rest, expected = r - actions.direct_logged, actions.direct_policy
    return found | {
        DIRECT: expected,
        "doubly robust": expected + w * rest,
        "switch-DR": expected + np.where(w <= switch_at, w, 0.0) * rest,
        "DR with shrinkage": expected + shrinkage * w / (w**2 + shrinkage) * rest,
    }


def off_policy_value(
    actions: LoggedActions,
    *,
    switch_at: float = 10.0,
    shrinkage: float = 100.0,
    level: float = 0.95,
    seed: int = 0,
) -> OffPolicyValue:
    """All estimators that the log allows, unless it allows none.

    Raises
    ------
    ConfigError
        A limit of weights that is not above 0.
    DataError
        Broken support, weights whose mean is far from 1, or an effective size under 100.
    """
    for name, value in (("switch_at", switch_at), ("shrinkage", shrinkage)):
        if not value > 0:
            raise ConfigError(f"{name} must be above 0, got {value:g}")
    weights = _weights(actions, switch_at)
    _refuse(actions, weights)
    parts = contributions(actions, switch_at=switch_at, shrinkage=shrinkage)
    columns = np.column_stack(
        [np.ones(len(actions.reward)), actions.weights, actions.reward, *parts.values()]
    )
    by_cluster = np.column_stack(
        [np.bincount(actions.cluster, weights=column) for column in columns.T]
    )
    drawn = resampled_means(by_cluster, seed)
    total = by_cluster.sum(axis=0)

    def estimate(name: str, place: int, below: int) -> PolicyValue:
        tails = [(1 - level) / 2, (1 + level) / 2]
        if name == DIRECT:
            return PolicyValue(name, float(total[place] / total[below]), np.nan, np.nan)
        known = drawn[:, below] > 0
        low, high = np.quantile(drawn[known, place] / drawn[known, below], tails)
        return PolicyValue(name, float(total[place] / total[below]), float(low), float(high))

    estimates = {
        name: estimate(name, 3 + place, 1 if name == "SNIPS" else 0)
        for place, name in enumerate(parts)
    }
    return OffPolicyValue(estimates, estimate("on-policy mean", 2, 0), weights, len(actions.reward))


def _weights(actions: LoggedActions, switch_at: float) -> Weights:
    w = actions.weights
    return Weights(
        effective_size(w),
        float(w.max()),
        float(w.mean()),
        float(w.std() / np.sqrt(len(w))),
        float((w > switch_at).mean()),
    )


def _refuse(actions: LoggedActions, weights: Weights) -> None:
    """DataError where the log says nothing of the policy."""
    if actions.unsupported > MOST_UNSUPPORTED:
        raise DataError(
            f"support is broken: {actions.unsupported:.1%} of the policy's probability lies on "
            "actions that the log never "
            f"shows, of which nothing is known; no {Claim.OFF_POLICY} can be given"
        )
    if weights.effective_size < FEWEST_EFFECTIVE:
        raise DataError(
            f"the effective sample size is {weights.effective_size:.0f} of "
            f"{len(actions.reward):,} rows, below "
            f"{FEWEST_EFFECTIVE:.0f}: the policy differs too much from the log's; no "
            f"{Claim.OFF_POLICY} can be given"
        )
    if abs(weights.mean - 1) > max(FAR_FROM_ONE * weights.mean_error, MOST_UNSUPPORTED):
        raise DataError(
            f"the mean weight is {weights.mean:.3f} and should be near 1: the propensities are "
            "not those by which "
            "the log was drawn, or the policy uses what the log never shows; no "
            f"{Claim.OFF_POLICY} can be given"
        )
