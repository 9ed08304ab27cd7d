"""What fitted buy-till-you-die models say of a customer: P(purchase), purchases, value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from scipy.special import hyp2f1

from growthlab.core.errors import BundleError


class BGNBD(NamedTuple):
    """BG/NBD (Fader, Hardie and Lee, Marketing Science 2005).

    Purchases at a rate from Gamma(`r`, rate `alpha`); after each repeat purchase a customer leaves
    with a probability from Beta(`a`, `b`). `alpha` has the unit of time of the summary.
    """

    r: float
    alpha: float
    a: float
    b: float

    def p_alive(self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
        """P(has not left by `T`), shape ``(n,)``; 1 without a repeat, so it is no churn score."""
        repeats = np.maximum(x, 1)
        log_odds = np.log(self.a / (self.b + repeats - 1)) + (self.r + x) * np.log(
            (self.alpha + T) / (self.alpha + t_x)
        )
        return np.where(x > 0, 1 / (1 + np.exp(np.minimum(log_odds, 700))), 1.0)

    def p_purchase(
        self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, horizon: float | np.ndarray
    ) -> np.ndarray:
        """P(at least one purchase in ``(T, T + horizon]``), shape ``(n,)``."""
        none = ((self.alpha + T) / (self.alpha + T + horizon)) ** (self.r + x)
        return self.p_alive(x, t_x, T) * (1 - none)

    def purchases(
        self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, horizon: float | np.ndarray
    ) -> np.ndarray:
        """Expected number of purchases in ``(T, T + horizon]``, shape ``(n,)``.

        Of the published 2F1 and its Euler transform the one is taken that stays bounded:
        (1-z)^(r+x) 2F1(r+x, b+x; a+b+x-1; z) = (1-z)^(a-1) 2F1(a+b-1-r, a-1; a+b+x-1; z).
        """
        a, b = _off_the_poles(self.a, self.b)
        z, n = horizon / (self.alpha + T + horizon), self.r + x
        c = a + b + x - 1
        plain = n < a - 1
        first, second = np.where(plain, n, a + b - 1 - self.r), np.where(plain, b + x, a - 1)
        with np.errstate(over="ignore", invalid="ignore"):
            still = (1 - z) ** np.where(plain, n, a - 1) * hyp2f1(first, second, c, z)
        expected = self.p_alive(x, t_x, T) * c / (a - 1) * (1 - still)
        # Never below P(a purchase), nor above what the rate gives without any drop-out; the former
        # where parameters are so extreme that 2F1 overflows.
        least = self.p_purchase(x, t_x, T, horizon)
        most = np.maximum(self.p_alive(x, t_x, T) * n / (self.alpha + T) * horizon, least)
        return np.clip(np.where(np.isfinite(expected), expected, least), least, most)

    def purchases_of_a_new_customer(self, time: np.ndarray) -> np.ndarray:
        """Expected repeat purchases in the first `time` of a customer of whom nothing is known."""
        zero = np.zeros_like(np.asarray(time, dtype=float))
        return self.purchases(zero, zero, zero, time)


def _off_the_poles(a: float, b: float) -> tuple[float, float]:
    """`a` and `a + b` away from 1, where the expectation is finite but its formula 0 / 0."""
    if abs(a - 1) < 1e-5:
        a = 1 + 1e-5
    if abs(a + b - 1) < 1e-5:
        b += 2e-5
    return a, b


class GammaGamma(NamedTuple):
    """Gamma-Gamma model of spend a purchase, whatever their number (Fader and Hardie 2013).

    One purchase is Gamma(`p`, rate nu), a customer's nu Gamma(`q`, rate `v`); `v` is in money.
    """

    p: float
    q: float
    v: float

    def spend(self, x: np.ndarray, mean_spend: np.ndarray) -> np.ndarray:
        """Expected spend a purchase, shape ``(n,)``: the population's mean without a repeat."""
        known = (x > 0) & (mean_spend > 0)
        x, mean_spend = np.where(known, x, 0), np.where(known, mean_spend, 0.0)
        # (q-1)/(px+q-1) * population mean pv/(q-1) + px/(px+q-1) * own mean
        return self.p * (self.v + x * mean_spend) / (self.p * x + self.q - 1)


Answer = Literal["churn", "value"]
COLUMNS = {
    "churn": ("frequency", "recency", "T"),
    "value": ("frequency", "recency", "T", "monetary_value"),
}


@dataclass(frozen=True)
class BTYDRows:
    """The probability of no purchase in the horizon (``churn``), or the expected spend (``value``).

    The columns are those of the purchase summary, in days. A customer without a purchase (NaN) has
    the churn of somebody who was watched for no time, and no value.
    """

    kind: ClassVar[str] = "btyd_rows"

    answer: Answer
    purchases: BGNBD
    horizon_days: float
    spend: GammaGamma | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the purchase summary that the answer rests on."""
        return COLUMNS[self.answer]

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``; see `RowScorer.predict`."""
        x, t_x, T = (np.nan_to_num(np.asarray(table[c], dtype=float)) for c in COLUMNS["churn"])
        if self.answer == "churn":
            return 1 - self.purchases.p_purchase(x, t_x, T, self.horizon_days)
        assert self.spend is not None
        expected = self.purchases.purchases(x, t_x, T, self.horizon_days)
        spend = self.spend.spend(x, np.asarray(table["monetary_value"], dtype=float))
        bought = np.isfinite(np.asarray(table["frequency"], dtype=float))
        return np.where(bought, expected * spend, 0.0)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The parameters and the horizon."""
        arrays = {
            "answer": np.array(self.answer),
            "purchases": np.array(self.purchases),
            "horizon_days": np.array(self.horizon_days),
        }
        return arrays | ({} if self.spend is None else {"spend": np.array(self.spend)})

    def to_files(self) -> dict[str, bytes]:
        """None: the parameters are arrays."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        answer = str(arrays["answer"])
        if answer not in COLUMNS:
            raise BundleError(f"btyd_rows answers {' or '.join(COLUMNS)}, not {answer}")
        return cls(
            answer,  # type: ignore[arg-type]
            BGNBD(*arrays["purchases"].tolist()),
            float(arrays["horizon_days"]),
            GammaGamma(*arrays["spend"].tolist()) if "spend" in arrays else None,
        )
