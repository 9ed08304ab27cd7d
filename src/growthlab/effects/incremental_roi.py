"""What an action earned for its cost: incremental margin less cost, by cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from growthlab.core.claims import Claim
from growthlab.core.errors import ConfigError
from growthlab.effects.arm_resamples import resampled_means
from growthlab.effects.experiment_data import ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome


@dataclass(frozen=True)
class IncrementalRoi:
    """(margin more - cost) / cost a customer of the arm, with bounds over resamples of customers."""

    arm: str
    margin: float  # more, a customer of the arm
    cost: float  # a customer of the arm
    roi: float
    low: float
    high: float
    claim: Claim = Claim.EXPERIMENT


def incremental_roi(
    data: ExperimentData,
    outcome: ExperimentOutcome,
    arm: str,
    *,
    margin: float,
    cost: float,
    level: float,
    seed: int = 0,
) -> IncrementalRoi:
    """The return of an arm that costs `cost` a customer; `margin` is the share of the outcome that is earned.

    Raises
    ------
    ConfigError
        A cost that is not above 0, or a margin outside 0 ... 1.
    """
    values = margin * outcome.values(data.customers)
    means = [values[data.is_in(name)].mean() for name in (data.control, arm)]
    drawn = [
        resampled_means(values[data.is_in(name)][:, None], 2 * seed + place)[:, 0]
        for place, name in enumerate((data.control, arm))
    ]
    more = float(means[1] - means[0])
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile((drawn[1] - drawn[0] - cost) / cost, tails)
    return IncrementalRoi(arm, more, cost, (more - cost) / cost, float(low), float(high))


def check_cost_and_margin(cost: float, margin: float) -> None:
    """ConfigError for a cost or a margin that no return can be computed from."""
    if not cost > 0:
        raise ConfigError(
            f"roi.cost must be above 0, got {cost:g}: it is what an arm's customer costs"
        )
    if not 0 < margin <= 1:
        raise ConfigError(
            f"roi.margin must lie above 0 and at most at 1, got {margin:g}: it is the share of "
            "roi.outcome that is earned"
        )
