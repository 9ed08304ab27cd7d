"""Predictions of buy-till-you-die models: P(alive), P(a purchase), expected purchases and spend."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from scipy.special import exprel, hyp2f1

from growthlab.scorers.death_times import death_times

LOG_MOST = 700.0  # exp of more overflows


class _DropOut(NamedTuple):
    """Purchase rates from Gamma(`r`, rate `alpha`), drop-out probabilities from Beta(`a`, `b`)."""

    r: float
    alpha: float
    a: float
    b: float


class BGNBD(_DropOut):
    """BG/NBD (Fader, Hardie and Lee, Marketing Science 2005).

    Purchases come at a rate from Gamma(`r`, rate `alpha`); after each repeat purchase a customer
    leaves with a chance from Beta(`a`, `b`). `alpha` has the unit of time of the summary.
    """

    first: ClassVar[int] = 0  # purchases before the repeats after which a customer may have left

    def p_alive(self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
        """P(has not left by `T`), shape ``(n,)``; 1 without a repeat, so it is not a churn score."""
        may_leave = (x > 0) | bool(self.first)
        last = np.where(may_leave, self.b + x + self.first - 1, 1.0)
        log_odds = np.log(self.a / last) + (self.r + x) * np.log(
            (self.alpha + T) / (self.alpha + t_x)
        )
        return np.where(may_leave, 1 / (1 + np.exp(np.minimum(log_odds, LOG_MOST))), 1.0)

    def p_purchase(
        self,
        x: np.ndarray,
        t_x: np.ndarray,
        T: np.ndarray,
        horizon: float | np.ndarray,
        after: float = 0.0,
    ) -> np.ndarray:
        """P(at least one purchase in ``(T + after, T + after + horizon]``), shape ``(n,)``.

        Of customers alive at T with a rate l and a drop-out probability p, exp(-l p after) are still
        alive when the window begins; integrated over l and p that is a 2F1.
        """
        n, now = self.r + x, self.alpha + T
        none = (now / (now + horizon)) ** n
        if after == 0:
            return self.p_alive(x, t_x, T) * (1 - none)
        c = self.a + self.b + x + self.first
        remaining = hyp2f1(n, self.a, c, -after / now)
        silent = none * hyp2f1(n, self.a, c, -after / (now + horizon))
        return self.p_alive(x, t_x, T) * np.clip(remaining - silent, 0.0, 1.0)

    def purchases(
        self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, horizon: float | np.ndarray
    ) -> np.ndarray:
        """Expected number of purchases in ``(T, T + horizon]``, shape ``(n,)``.

        Uses the published 2F1 or its Euler transform, whichever stays bounded:
        (1-z)^(r+x) 2F1(r+x, b+x; a+b+x-1; z) = (1-z)^(a-1) 2F1(a+b-1-r, a-1; a+b+x-1; z).
        """
        alive = self.p_alive(x, t_x, T)
        a, b = _off_the_poles(self.a, self.b + self.first)
        z, n = horizon / (self.alpha + T + horizon), self.r + x
        c = a + b + x - 1
        plain = n < a - 1
        first, second = np.where(plain, n, a + b - 1 - self.r), np.where(plain, b + x, a - 1)
        with np.errstate(over="ignore", invalid="ignore"):
            still = (1 - z) ** np.where(plain, n, a - 1) * hyp2f1(first, second, c, z)
        expected = alive * c / (a - 1) * (1 - still)
        # Between P(a purchase) and the expectation without drop-out; the former where parameters
        # are so extreme that 2F1 overflows.
        least = alive * (1 - (1 - z) ** n)
        most = np.maximum(alive * n / (self.alpha + T) * horizon, least)
        return np.clip(np.where(np.isfinite(expected), expected, least), least, most)

    def purchases_of_a_new_customer(self, time: np.ndarray) -> np.ndarray:
        """Expected repeat purchases of an unknown customer in the first `time`."""
        zero = np.zeros_like(np.asarray(time, dtype=float))
        return self.purchases(zero, zero, zero, time)


class MBGNBD(BGNBD):
    """MBG/NBD (Batislam, Denizel and Filiztekin, Int. J. of Research in Marketing 2007).

    BG/NBD in which a customer may leave after the first purchase too: P(alive) is below 1 for
    all customers. Its conditional expectation is that of BG/NBD with ``b + 1``.
    """

    first: ClassVar[int] = 1


class ParetoNBD(NamedTuple):
    """Pareto/NBD (Schmittlein, Morrison and Colombo, Management Science 1987).

    Purchases come at a rate from Gamma(`r`, rate `alpha`), and a customer leaves at any moment at a
    rate from Gamma(`s`, rate `beta`). `alpha` and `beta` have the unit of time of the summary.
    """

    r: float
    alpha: float
    s: float
    beta: float

    def p_alive(self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
        """P(has not left by `T`), shape ``(n,)``; it falls with the time since the last purchase."""
        gone = np.log(self.s) + death_times(self, x, t_x, T).log_integral
        still = -(self.r + x) * np.log(self.alpha + T) - self.s * np.log(self.beta + T)
        return 1 / (1 + np.exp(np.minimum(gone - still, LOG_MOST)))

    def purchases(
        self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, horizon: float | np.ndarray
    ) -> np.ndarray:
        """Expected number of purchases in ``(T, T + horizon]``, shape ``(n,)``.

        P(alive) (r+x) (beta+T) / ((alpha+T) (s-1)) [1 - ((beta+T) / (beta+T+horizon))^(s-1)], which
        is finite at s = 1.
        """
        span = np.log1p(horizon / (self.beta + T))
        rate = (self.r + x) / (self.alpha + T)
        # (1 - exp(-(s-1) span)) / (s-1) = span * (exp(y) - 1) / y with y = -(s-1) span
        return self.p_alive(x, t_x, T) * rate * (self.beta + T) * span * exprel((1 - self.s) * span)

    def purchases_of_a_new_customer(self, time: np.ndarray) -> np.ndarray:
        """Expected repeat purchases of an unknown customer in the first `time`."""
        zero = np.zeros_like(np.asarray(time, dtype=float))
        return self.purchases(zero, zero, zero, time)


PurchaseModel = BGNBD | ParetoNBD
PURCHASE_MODELS: dict[str, type[PurchaseModel]] = {
    "bg_nbd": BGNBD,
    "mbg_nbd": MBGNBD,
    "pareto_nbd": ParetoNBD,
}


class Discount(NamedTuple):
    """Money a year later is worth 1 / (1 + `annual`) of today's; discounted at each `period`'s end.

    `period` and all times have the same unit; a year has `year` of it (365 days).
    """

    annual: float
    period: float
    year: float = 365.0

    @property
    def rate(self) -> float:
        """The rate of one period: (1 + annual)^(period / year) - 1."""
        return float((1 + self.annual) ** (self.period / self.year) - 1)

    def purchases(
        self,
        model: PurchaseModel,
        x: np.ndarray,
        t_x: np.ndarray,
        T: np.ndarray,
        horizon: float,
        after: float = 0.0,
    ) -> np.ndarray:
        """Expected purchases in ``(T + after, T + after + horizon]``, shape ``(n,)``.

        Each is worth 1 / (1 + rate)^k in period k. Periods count from 1 at T; a last period cut by
        the horizon counts in part.
        """
        last = after + horizon
        so_far = model.purchases(x, t_x, T, after) if after else np.zeros(len(x))
        if self.annual == 0:
            return model.purchases(x, t_x, T, last) - so_far
        ends = self.period * np.arange(1, np.ceil(last / self.period - 1e-9))
        total = np.zeros(len(x))
        for end in np.append(ends[ends > after], last):
            until = model.purchases(x, t_x, T, end)
            total += (until - so_far) * (1 + self.annual) ** (-end / self.year)
            so_far = until
        return total


NO_DISCOUNT = Discount(0.0, 7.0)


class GammaGamma(NamedTuple):
    """Gamma-Gamma model of spend a purchase, whatever their number (Fader and Hardie 2013).

    One purchase is Gamma(`p`, rate nu), a customer's nu Gamma(`q`, rate `v`); `v` is in money.
    """

    p: float
    q: float
    v: float

    @property
    def mean(self) -> float:
        """The population's mean spend a purchase, p v / (q - 1)."""
        return self.p * self.v / (self.q - 1)

    def spend(self, x: np.ndarray, mean_spend: np.ndarray) -> np.ndarray:
        """Expected spend a purchase, shape ``(n,)``: the population's mean without a repeat."""
        known = (x > 0) & (mean_spend > 0)
        x, mean_spend = np.where(known, x, 0), np.where(known, mean_spend, 0.0)
        # (q-1)/(px+q-1) * population mean pv/(q-1) + px/(px+q-1) * own mean
        return self.p * (self.v + x * mean_spend) / (self.p * x + self.q - 1)


def _off_the_poles(a: float, b: float) -> tuple[float, float]:
    """`a` and `a + b` away from 1, where the expectation is finite but its formula 0 / 0."""
    if abs(a - 1) < 1e-5:
        a = 1 + 1e-5
    if abs(a + b - 1) < 1e-5:
        b += 2e-5
    return a, b
