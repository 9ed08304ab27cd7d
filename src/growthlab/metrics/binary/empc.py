"""EMPC: the expected profit of a retention offer to the customers at highest risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import betainc

from growthlab.core.errors import ConfigError
from growthlab.metrics.predictions import group_by_prediction


class Targeting(NamedTuple):
    """Expected profit per customer, and the expected share of customers contacted."""

    profit: float
    share: float


@dataclass(frozen=True)
class EMPC:
    """Expected maximum profit per customer of a retention offer, in the currency of `value`.

    A contacted leaver stays with a probability gamma ~ Beta(`alpha`, `beta`), which is worth `value`
    minus the `offer`; a contacted stayer takes the offer too; each contact costs `contact`. For a
    given gamma all customers up to the most profitable place of the ranking are contacted; EMPC is
    the mean of that profit over gamma. Only the order of predictions matters. 0 where nobody
    leaves; NaN without rows. Verbraken, Verbeke and Baesens, IEEE TKDE 25(5), 2013; computed
    exactly, from the convex hull of the ROC curve.

    It assumes that all customers have the same value and react to the offer alike: a ranking by risk
    is not a ranking by the effect of a contact (Ascarza, Journal of Marketing Research 2018).
    """

    value: float = 200.0
    offer: float = 10.0
    contact: float = 1.0
    alpha: float = 6.0
    beta: float = 14.0

    larger_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if min(self.offer, self.contact) < 0 or not self.offer < self.value:
            raise ConfigError(
                f"{self.name} needs 0 <= offer < value and contact >= 0, got value {self.value}, "
                f"offer {self.offer}, contact {self.contact}"
            )
        if not min(self.alpha, self.beta) > 0:
            raise ConfigError(
                f"alpha and beta of {self.name} must be positive, got {self.alpha} and {self.beta}"
            )

    @property
    def name(self) -> str:
        """The name under which it is logged."""
        return "empc"

    def targeting(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> Targeting:
        """The profit and the share of customers contacted, both as means over gamma."""
        groups = group_by_prediction(label, prediction, weight)
        nonempty = groups.mass > 0
        mass, leavers = groups.mass[nonempty], groups.label[nonempty]
        total = mass.sum()
        if total == 0:
            return Targeting(np.nan, np.nan)
        # pooling adjacent violators gives the segments of the hull: the share of leavers falls
        hull = isotonic_regression(leavers / mass, weights=mass, increasing=False).blocks[:-1]
        leave = np.add.reduceat(leavers, hull) / total
        reached = np.add.reduceat(mass, hull) / total
        gain = (self.value - self.offer) * leave  # times gamma
        # each contact has its cost, and each stayer (all accept) that of the offer
        cost = self.contact * reached + self.offer * np.maximum(reached - leave, 0.0)
        # a segment is contacted if gamma is above its break-even point t
        threshold = np.divide(cost, gain, out=np.ones_like(cost), where=gain > cost)
        contacted = 1 - betainc(self.alpha, self.beta, threshold)  # P(gamma > t)
        mean = self.alpha / (self.alpha + self.beta)
        kept = mean * (1 - betainc(self.alpha + 1, self.beta, threshold))  # E[gamma; gamma > t]
        return Targeting(float(gain @ kept - cost @ contacted), float(reached @ contacted))

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        return self.targeting(label, prediction, weight).profit
