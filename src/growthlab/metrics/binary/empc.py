"""EMPC: the expected profit of a retention offer to the customers at highest risk."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import betainc

from growthlab.core.errors import ConfigError
from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.weighted_rows import WeightedRows, divided

NOTHING = 1e-300


class Targeting(NamedTuple):
    """Expected profit per customer, and the share of customers contacted, a value a resample."""

    profit: np.ndarray
    share: np.ndarray


@dataclass(frozen=True)
class EMPC(OrderMetric):
    """Expected maximum profit per customer of a retention offer, in the currency of `value`.

    A contacted leaver stays with a probability gamma ~ Beta(`alpha`, `beta`), which is worth `value`
    minus the `offer`; a contacted stayer takes the offer too; each contact costs `contact`. For a
    given gamma all customers up to the most profitable place of the ranking are contacted; EMPC is
    the mean of that profit over gamma. Only the order of predictions matters. 0 where nobody
    leaves; NaN without rows. Verbraken, Verbeke and Baesens, IEEE TKDE 25(5), 2013; computed
    exactly, from the convex hull of the ROC curve.

    It assumes that all customers have the same value and react to the offer alike: a ranking by risk
    is not a ranking by the effect of a contact (Ascarza, Journal of Marketing Research 2018).

    Examples
    --------
    One customer leaves and one stays, in this order: only the leaver is contacted, which by the mean
    of 0.3 of Beta(6, 14) brings (0.3 x (200 - 10) - 1) / 2 a customer.

    >>> round(EMPC()(np.array([1, 0]), np.array([0.9, 0.1])), 4)
    28.0
    """

    value: float = 200.0
    offer: float = 10.0
    contact: float = 1.0
    alpha: float = 6.0
    beta: float = 14.0

    larger_is_better: ClassVar[bool] = True
    raised_by_resampling: ClassVar[bool] = True

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

    def targeting(self, rows: WeightedRows) -> Targeting:
        """The profit and the share of customers contacted, both as means over gamma."""
        costs = (self.value, self.offer, self.contact, self.alpha, self.beta)
        return rows.once(("targeting", *costs), lambda: self._targeting(rows))

    def _targeting(self, rows: WeightedRows) -> Targeting:
        resample, mass, leavers = _hulls(rows)
        leave, reached = (divided(each, rows.total[resample]) for each in (leavers, mass))
        gain = (self.value - self.offer) * leave  # times gamma
        # each contact has its cost, and each stayer (all accept) that of the offer
        cost = self.contact * reached + self.offer * np.maximum(reached - leave, 0.0)
        # a segment is contacted if gamma is above its break-even point t
        threshold = np.divide(cost, gain, out=np.ones_like(cost), where=gain > cost)
        contacted = 1 - betainc(self.alpha, self.beta, threshold)  # P(gamma > t)
        mean = self.alpha / (self.alpha + self.beta)
        kept = mean * (1 - betainc(self.alpha + 1, self.beta, threshold))  # E[gamma; gamma > t]
        profit, share = np.full((2, len(rows)), np.nan)
        borders = np.searchsorted(resample, np.arange(len(rows) + 1))
        for row, (start, stop) in enumerate(pairwise(borders)):
            own = slice(start, stop)
            if start < stop:
                profit[row] = gain[own] @ kept[own] - cost[own] @ contacted[own]
                share[row] = reached[own] @ contacted[own]
        return Targeting(profit, share)

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        return self.targeting(rows).profit


def _hulls(rows: WeightedRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The segments of the convex hull of each resample's ROC curve.

    Returns
    -------
    resample, mass, leavers : of each segment, resample after resample, highest predictions first
    """
    ends = rows.ranking.hull_ends
    mass, leavers = (
        np.diff(np.take(sums, ends, axis=-1), axis=-1, prepend=0).astype(float)
        for sums in (rows.mass_so_far, rows.label_so_far)
    )
    resample = np.repeat(np.arange(len(rows)), len(ends))
    if not len(resample):
        return resample, mass.ravel(), leavers.ravel()
    # pooling adjacent violators gives the segments: the share of leavers falls. The steps of 2
    # keep resamples apart; a group that was not drawn weighs nothing and joins the next
    weight = np.maximum(mass, NOTHING)
    share = leavers / weight - 2.0 * np.arange(len(rows))[:, None]
    hull = isotonic_regression(share.ravel(), weights=weight.ravel(), increasing=False)
    starts = hull.blocks[:-1]
    sums = (np.add.reduceat(each.ravel(), starts) for each in (mass, leavers))
    return resample[starts], *sums
