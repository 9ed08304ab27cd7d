"""Fits of purchases and of spend: parameters with standard errors and optional bootstrap intervals."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.models.btyd.likelihood import log_likelihood, spend_log_likelihood
from growthlab.models.btyd.maximum_likelihood import maximise
from growthlab.models.btyd.purchase_summary import PurchaseSummary, Spends
from growthlab.models.btyd.simulation import simulated_purchases, simulated_spends
from growthlab.scorers.btyd_models import PURCHASE_MODELS, GammaGamma, PurchaseModel

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=PurchaseModel | GammaGamma)
Resampling = Literal["case", "parametric"]
PREVIEW_ROWS = 40_000  # with more rows, the search starts on about this many
# parameter -> partner in its distribution; if both are at a bound, warnings explain the partner
PARTNERS = {"alpha": "r", "b": "a", "beta": "s", "v": "q"}
TIMES, MONEY = ("alpha", "beta"), ("v",)  # parameters with a unit
BOUNDS = {  # what a parameter at its lower (-1) or upper (1) bound means
    ("r", 1): "(nearly) all buy at the same rate",
    ("alpha", 1): "(nearly) all buy at the same rate",
    ("r", -1): "rates differ beyond measure",
    ("alpha", -1): "rates differ beyond measure",
    ("a", -1): "(nearly) no customer leaves",
    ("a", 1): "(nearly) all leave with the same chance",
    ("b", 1): "(nearly) all leave with the same chance",
    ("b", -1): "(nearly) all leave after their next purchase",
    ("s", -1): "(nearly) no customer leaves",
    ("s", 1): "(nearly) all leave at the same rate",
    ("beta", 1): "(nearly) all leave at the same rate",
    ("beta", -1): "(nearly) all leave at once",
    ("p", 1): "(nearly) each customer always spends the same",
    ("p", -1): "spends of one customer differ beyond measure",
    ("q", 1): "(nearly) all customers spend alike",
    ("q", -1): "spends have (nearly) no mean: few customers spend most",
    ("v", 1): "(nearly) all customers spend alike",
    ("v", -1): "spends differ beyond measure",
}


@dataclass(frozen=True)
class Fit(Generic[Model]):
    """A model of highest likelihood.

    `errors` are standard errors by the observed information, in the order of the model's parameters,
    NaN where a parameter lies at a bound; `log_likelihood` is that of all `n_customers`.
    `resampled` has a row of parameters a bootstrap sample (None: no bootstrap). `alpha` and `beta`
    have the unit of time of the summary, `v` that of the spends.
    """

    name: str
    model: Model
    errors: np.ndarray
    log_likelihood: float
    n_customers: int
    resampled: np.ndarray | None = None

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Percentile bounds of the parameters from the bootstrap; NaN without one."""
        if self.resampled is None or not len(self.resampled):
            unknown = np.full(len(self.model), np.nan)
            return unknown, unknown
        tails = (1 - level) / 2
        low, high = np.quantile(self.resampled, [tails, 1 - tails], axis=0)
        return low, high

    def models(self) -> Iterator[Model]:
        """The model of each bootstrap sample, for the uncertainty of predictions."""
        return (type(self.model)(*p) for p in ([] if self.resampled is None else self.resampled))

    def table(self) -> pd.DataFrame:
        """One row a parameter, and one for the log-likelihood.

        Columns: model, parameter, value, standard_error, low, high (95 %, NaN without a bootstrap).
        """
        low, high = self.interval()
        rows = zip(self.model._fields, self.model, self.errors, low, high, strict=True)
        likelihood = ("log_likelihood", self.log_likelihood, np.nan, np.nan, np.nan)
        columns = ["parameter", "value", "standard_error", "low", "high"]
        table = pd.DataFrame([*rows, likelihood], columns=columns)
        table.insert(0, "model", self.name)
        return table


def fit_purchases(
    name: str, summary: PurchaseSummary, start: PurchaseModel | None = None, *, quiet: bool = False
) -> Fit[PurchaseModel]:
    """The purchase model `name` (bg_nbd, mbg_nbd, pareto_nbd) of highest likelihood.

    `alpha` and `beta` are in the unit of time of the summary. If customers differ too little (one
    customer, or all alike), parameters lie at a bound; a warning (unless `quiet`) says what that
    means, and the model still predicts. `start` is where the search begins.

    Raises
    ------
    DataError
        No customer repeats, so that rate and drop-out cannot be estimated; or no convergence.
    """
    if name not in PURCHASE_MODELS:
        raise ConfigError(f"no purchase model {name}: {near_matches(name, PURCHASE_MODELS)}")
    kind = PURCHASE_MODELS[name]
    if not (summary.x[summary.weight > 0] > 0).any():
        raise DataError(
            f"{name} needs customers who buy on more than one day: none of "
            f"{summary.n_customers:.0f} does; lengthen the past or use another model"
        )
    scale = float(np.average(summary.T, weights=summary.weight))  # so that one start suits any unit
    own, unit = summary.in_units_of(scale), _units(kind, TIMES, scale)
    maximum = maximise(
        name,
        len(unit),
        lambda p: log_likelihood(kind(*p), own),
        own.n_customers,
        preview=_preview(own, lambda part, p: log_likelihood(kind(*p), part)),
        start=None if start is None else np.array(start) / unit,
    )
    if not quiet:
        _warn_of_bounds(name, kind._fields, maximum.bound, summary.n_customers)
    # a density of times has the inverse unit of time, a repeat purchase each
    value = maximum.log_likelihood - float(summary.mass @ summary.counts) * np.log(scale)
    return Fit(
        name,
        kind(*(maximum.parameters * unit).tolist()),
        maximum.errors * unit,
        value,
        round(summary.n_customers),
    )


def fit_spend(
    spends: Spends, start: GammaGamma | None = None, *, quiet: bool = False
) -> Fit[GammaGamma]:
    """The Gamma-Gamma of highest likelihood for customers with a repeat and a positive mean spend.

    `q` stays above 1, where the population has a mean. A correlation above 0.3 between number and
    spend, which the model assumes to be independent, is logged as a warning, unless `quiet`.

    Raises
    ------
    DataError
        Fewer than two such customers, or all spend the same; or no convergence.
    """
    kept = spends.weight > 0
    if kept.sum() < 2 or np.ptp(spends.m[kept]) == 0:
        raise DataError(
            "gamma_gamma needs repeat customers with different positive spends, got "
            f"{spends.n_customers:.0f}: lengthen the past or use model=value/mean"
        )
    scale = float(np.average(spends.m, weights=spends.weight))
    own, unit = spends.in_units_of(scale), _units(GammaGamma, MONEY, scale)
    above_one = np.array([0.0, 1.0, 0.0])  # q is searched as q - 1
    maximum = maximise(
        "gamma_gamma",
        3,
        lambda p: spend_log_likelihood(GammaGamma(*(p + above_one)), own),
        own.n_customers,
        preview=_preview(
            own, lambda part, p: spend_log_likelihood(GammaGamma(*(p + above_one)), part)
        ),
        start=None if start is None else np.array(start) / unit - above_one,
    )
    if not quiet:
        _warn_of_dependence(spends)
        _warn_of_bounds("gamma_gamma", GammaGamma._fields, maximum.bound, spends.n_customers)
    return Fit(
        "gamma_gamma",
        GammaGamma(*((maximum.parameters + above_one) * unit).tolist()),
        maximum.errors * unit,
        maximum.log_likelihood - spends.n_customers * np.log(scale),
        round(spends.n_customers),
    )


def bootstrapped(
    fit: Fit, data: Any, how: Resampling, n_resamples: int, random: np.random.Generator
) -> Fit:
    """The fit with the parameters of `n_resamples` samples of its `data` (a `PurchaseSummary` or `Spends`).

    ``case`` draws customers with replacement; ``parametric`` lets new ones, watched for the same
    times (of the same numbers of purchases), live by the fitted model. Samples that cannot be fitted
    are left out, which is logged (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
    """
    refit: Any = (
        fit_spend if isinstance(fit.model, GammaGamma) else partial(fit_purchases, fit.name)
    )
    refitted = []
    for _ in range(n_resamples):
        drawn = data.resampled(random) if how == "case" else _reborn(fit.model, data, random)
        with suppress(DataError):
            refitted.append(refit(drawn, start=fit.model, quiet=True).model)
    if len(refitted) < n_resamples:
        lost = n_resamples - len(refitted)
        log.warning("%s: %d of %d samples cannot be fitted", fit.name, lost, n_resamples)
    return replace(fit, resampled=np.array(refitted).reshape(-1, len(fit.model)))


def _reborn(model: Any, data: Any, random: np.random.Generator) -> Any:
    """As many customers of the model."""
    times = data.weight.astype(int)
    if isinstance(data, Spends):
        x = np.repeat(data.x, times)
        return Spends.of(x, simulated_spends(model, x, random))
    T = np.repeat(data.T, times)
    return PurchaseSummary.of(*simulated_purchases(model, T, random), T)


def _units(kind: type, with_unit: tuple[str, ...], scale: float) -> np.ndarray:
    """What one of each parameter is in the caller's units."""
    return np.array([scale if f in with_unit else 1.0 for f in kind._fields])  # type: ignore[attr-defined]


def _preview(data: Any, climb: Any) -> Any:
    """The likelihood of a part of many customers, with their number; None for few."""
    if len(data.x) <= 2 * PREVIEW_ROWS:
        return None
    part = data.part(PREVIEW_ROWS)
    return partial(climb, part), part.n_customers


def _warn_of_bounds(
    name: str, fields: tuple[str, ...], bound: np.ndarray, n_customers: float
) -> None:
    """Log which parameters lie at a bound, and what that means."""
    hit = {f: int(b) for f, b in zip(fields, bound, strict=True) if b}
    if hit:
        which = ", ".join(
            f"{f} at its {'upper' if b > 0 else 'lower'} bound" for f, b in hit.items()
        )
        says = [BOUNDS[f, b] for f, b in hit.items() if PARTNERS.get(f) not in hit]
        words = "%s, %.0f customers: %s, as %s; the predictions rest on that"
        log.warning(words, name, n_customers, which, " and ".join(says))


def _warn_of_dependence(spends: Spends) -> None:
    """Log a warning where number and spend are correlated."""
    kept = spends.weight > 0
    if np.ptp(spends.x[kept]) == 0:
        return
    table = np.cov(spends.x, spends.m, fweights=spends.weight.astype(int))
    correlation = float(table[0, 1] / np.sqrt(table[0, 0] * table[1, 1]))
    if abs(correlation) > 0.3:
        log.warning(
            "gamma_gamma assumes that spend and number of purchases are independent: correlation %.2f",
            correlation,
        )
