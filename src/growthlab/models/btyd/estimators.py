"""Buy-till-you-die models as estimators of churn and value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError
from growthlab.core.seeding import random_stream
from growthlab.features.examples import Examples
from growthlab.models.base import ScoredEstimator
from growthlab.models.btyd.fit import Fit, Resampling, bootstrapped, fit_purchases, fit_spend
from growthlab.models.btyd.purchase_summary import PurchaseSummary, Spends
from growthlab.scorers.btyd_models import NO_DISCOUNT, Discount
from growthlab.scorers.btyd_row_scorer import SUMMARY, BTYDRowScorer
from growthlab.training.fit_options import FitOptions


@dataclass(kw_only=True)
class BTYDEstimator(ScoredEstimator):
    """A model of `purchases`, fitted to all customers with a purchase before the cutoff, in days.

    It needs no labels. `intervals` switches on bootstrap intervals of the parameters, from
    `resamples` samples of customers (``case``) or of customers simulated by the model
    (``parametric``). They and P(alive) are logged as tables; P(alive) is not a score, see `tables`.
    """

    purchases: ClassVar[str]
    reads_events: ClassVar[bool] = True
    scorer_: BTYDRowScorer = field(init=False, repr=False)

    intervals: Resampling | None = None
    resamples: int = 200

    def __post_init__(self) -> None:
        if self.intervals not in (None, "case", "parametric"):
            raise ConfigError(
                f"intervals={self.intervals}: possible are case, parametric and null (none)"
            )
        if self.resamples < 1:
            raise ConfigError(f"resamples must be 1 or more, got {self.resamples}")

    def fit_to(self, customers: Examples, options: FitOptions) -> Fit:
        """Fit the purchase model and keep the fit in ``fits_``."""
        x, t_x, T, self._ids = summary_of(customers)
        self._summary = x, t_x, T
        summary = PurchaseSummary.of(x, t_x, T)
        fit = fit_purchases(self.purchases, summary)
        self.fits_: list[Fit] = [self._with_intervals(fit, summary, options)]
        return self.fits_[0]

    def _with_intervals(self, fit: Fit, data: PurchaseSummary | Spends, options: FitOptions) -> Fit:
        """The fit with its bootstrap, if `intervals` is set."""
        if self.intervals is None:
            return fit
        random = random_stream(options.seed, "btyd", fit.name)
        return bootstrapped(fit, data, self.intervals, self.resamples, random)

    def tables(self) -> dict[str, pd.DataFrame]:
        """``parameters`` (see `Fit.table`), and ``p_alive``: a row a customer with a purchase.

        P(alive) is the probability that a customer has not left. In BG/NBD it is 1 for all customers
        without a repeat, so that it ranks worse than chance if they are many; use the predictions
        for what a customer will do.
        """
        scorer = self.scorer_
        model, window = scorer.purchases, (scorer.horizon_days, scorer.gap_days)
        columns = dict(zip(SUMMARY, self._summary, strict=True))
        p_alive = pd.DataFrame(
            {
                "user_id": self._ids,
                **columns,
                "p_alive": model.p_alive(*self._summary),
                "expected_purchases": NO_DISCOUNT.purchases(model, *self._summary, *window),
            }
        )
        parameters = pd.concat([fit.table() for fit in self.fits_], ignore_index=True)
        return {"parameters": parameters, "p_alive": p_alive}


@dataclass(kw_only=True)
class BTYDChurn(BTYDEstimator):
    """The probability of no purchase in the horizon, never 1 - P(alive)."""

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn from the purchase summaries of all customers at the cutoff."""
        fit = self.fit_to(examples, options)
        self.scorer_ = BTYDRowScorer(fit.model, examples.horizon_days, gap_days=examples.gap_days)
        return self


@dataclass(kw_only=True)
class BTYDValue(BTYDEstimator):
    """Purchase days in the horizon times spend a day (Gamma-Gamma).

    Returns are not part of the model: it predicts purchases. Money is discounted at the yearly
    rate `annual_discount`, in periods of `period_days`, each at its end. Fader and Hardie, The
    Gamma-Gamma Model of Monetary Value, 2013.
    """

    annual_discount: float = 0.0
    period_days: float = 7.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.annual_discount > -1:
            raise ConfigError(
                f"annual_discount must be above -1 (0.1 is 10 % a year), got {self.annual_discount}"
            )
        if not self.period_days > 0:
            raise ConfigError(f"period_days must be positive, got {self.period_days}")

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn from the purchase summaries of all customers at the cutoff."""
        fit = self.fit_to(examples, options)
        spends = Spends.of(self._summary[0], mean_spend_of(examples))
        spend = self._with_intervals(fit_spend(spends), spends, options)
        self.fits_.append(spend)
        discount = Discount(self.annual_discount, self.period_days)
        window = examples.horizon_days, spend.model, discount, examples.gap_days
        self.scorer_ = BTYDRowScorer(fit.model, *window)
        return self


def _customers(examples: Examples) -> tuple[pd.DataFrame, np.ndarray]:
    """The table and ids of all customers with a purchase at the cutoff."""
    customers = examples.present if examples.present is not None else examples
    bought = customers.table["frequency"].notna().to_numpy()
    return customers.table[bought], customers.user_ids[bought]


def summary_of(examples: Examples) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, t_x, T in days and the ids of all customers with a purchase, ``(n,)`` each."""
    table, ids = _customers(examples)
    x, t_x, T = (table[c].to_numpy(dtype=np.float64) for c in SUMMARY)
    return x, t_x, T, ids


def mean_spend_of(examples: Examples) -> np.ndarray:
    """The mean spend on a repeat day of the customers of `summary_of`, NaN without a repeat."""
    return _customers(examples)[0]["monetary_value"].to_numpy(dtype=np.float64)
