"""Maximum likelihood fits of buy-till-you-die models, shared by churn and value."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from scipy.optimize import OptimizeResult, minimize
from scipy.special import digamma, gammaln

from growthlab.core.errors import DataError
from growthlab.features.examples import Examples
from growthlab.scorers.btyd_rows import BGNBD, COLUMNS, GammaGamma

log = logging.getLogger(__name__)

LOG_BOUND = 8.0  # |log of a parameter|: beyond it customers are all alike, and 2F1 overflows
STARTS = (0.0, -1.0, 1.0)  # log of all parameters at the start


def summary_of(examples: Examples) -> list[np.ndarray]:
    """x, t_x, T and mean spend of all customers with a purchase, ``(n,)`` each, at the cutoff."""
    customers = examples.present if examples.present is not None else examples
    table = customers.table[customers.table["frequency"].notna()]
    return [table[c].to_numpy(dtype=np.float64) for c in COLUMNS["value"]]


def fit_bg_nbd(x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> BGNBD:
    """The BG/NBD of highest likelihood for the purchase summaries ``(x, t_x, T)``, one a customer.

    `alpha` comes out in the unit of `T`. Identical customers are counted once with their weight.

    Raises
    ------
    DataError
        Nobody repeats, so that neither rate nor drop-out can be told; or no convergence.
    """
    _check_summary(x, t_x, T)
    scale = float(T.mean())  # time in mean ages, so that the start fits any unit
    rows, weights = np.unique(np.column_stack([x, t_x, T]), axis=0, return_counts=True)
    x, t_x, T = rows[:, 0], rows[:, 1] / scale, rows[:, 2] / scale

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = bg_nbd_log_likelihood(BGNBD(*parameters), x, t_x, T, weights)
        return -value, -gradient

    r, alpha, a, b = _maximised("bg_nbd", loss, 4, weights.sum())
    return BGNBD(r, alpha * scale, a, b)


def bg_nbd_log_likelihood(
    model: BGNBD,
    x: np.ndarray,
    t_x: np.ndarray,
    T: np.ndarray,
    weights: np.ndarray | float = 1.0,
) -> tuple[float, np.ndarray]:
    """The weighted log-likelihood, and its gradient by ``(r, alpha, a, b)``.

    L = G(r+x) alpha^r / G(r) * B(a, b+x) / B(a, b)
        * [(alpha+T)^-(r+x) + 1[x>0] a / (b+x-1) (alpha+t_x)^-(r+x)]
    (Fader, Hardie and Lee 2005), in logarithms throughout.
    """
    r, alpha, a, b = model
    counts, which = np.unique(x, return_inverse=True)  # Gamma functions only of distinct counts
    rate = gammaln(r + counts) - gammaln(r) + r * np.log(alpha)
    stay = gammaln(b + counts) - gammaln(b) + gammaln(a + b) - gammaln(a + b + counts)
    last = np.maximum(counts, 1) + b - 1
    silent = -(r + x) * np.log(alpha + T)
    leaves = np.log(a / last)[which] - (r + x) * np.log(alpha + t_x)
    leaves = np.where(x > 0, leaves, -np.inf)
    either = np.logaddexp(silent, leaves)
    value = float(np.sum(weights * ((rate + stay)[which] + either)))

    left = np.exp(leaves - either)  # the share of the second term
    d_r = (digamma(r + counts) - digamma(r) + np.log(alpha))[which]
    d_r = d_r - np.log(alpha + T) - left * np.log((alpha + t_x) / (alpha + T))
    d_alpha = r / alpha - (r + x) * ((1 - left) / (alpha + T) + left / (alpha + t_x))
    both = digamma(a + b) - digamma(a + b + counts)
    d_a = both[which] + left / a
    d_b = (both + digamma(b + counts) - digamma(b))[which] - left / last[which]
    return value, np.array([np.sum(weights * d) for d in (d_r, d_alpha, d_a, d_b)])


def fit_gamma_gamma(x: np.ndarray, mean_spend: np.ndarray) -> GammaGamma:
    """The Gamma-Gamma of highest likelihood for customers with a repeat and a positive mean spend.

    Others are left out. `q` stays above 1, where the population has a mean. A correlation above 0.3
    between number and spend, which the model takes for independent, is logged as a warning.

    Raises
    ------
    DataError
        Fewer than two customers repeat with a positive spend; or the fit does not converge.
    """
    known = (x > 0) & (mean_spend > 0)
    x, m = x[known], mean_spend[known]
    if len(x) < 2 or np.ptp(m) == 0:
        raise DataError(
            f"gamma_gamma needs repeat customers with different positive spends, got {len(x)}: "
            "lengthen the past or use model=value/mean"
        )
    _warn_of_dependence(x, m)
    scale = float(m.mean())

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        p, above_one, v = parameters
        model = GammaGamma(p, 1 + above_one, v)
        value, gradient = gamma_gamma_log_likelihood(model, x, m / scale)
        return -value, -gradient

    p, above_one, v = _maximised("gamma_gamma", loss, 3, len(x))
    return GammaGamma(p, 1 + above_one, v * scale)


def gamma_gamma_log_likelihood(
    model: GammaGamma, x: np.ndarray, m: np.ndarray
) -> tuple[float, np.ndarray]:
    """The log-likelihood of mean spends `m` over `x` purchases, and its gradient by ``(p, q, v)``.

    ln L = ln G(px+q) - ln G(px) - ln G(q) + q ln v + (px-1) ln m + px ln x - (px+q) ln(xm+v)
    (Fader and Hardie 2013).
    """
    p, q, v = model
    n, total = p * x, np.log(x * m + v)
    value = (
        gammaln(n + q)
        - gammaln(n)
        - gammaln(q)
        + q * np.log(v)
        + (n - 1) * np.log(m)
        + n * np.log(x)
        - (n + q) * total
    )
    d_p = x * (digamma(n + q) - digamma(n) + np.log(m * x) - total)
    d_q = digamma(n + q) - digamma(q) + np.log(v) - total
    d_v = q / v - (n + q) / (x * m + v)
    return float(value.sum()), np.array([d_p.sum(), d_q.sum(), d_v.sum()])


def _maximised(
    name: str,
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]],
    n_parameters: int,
    n_customers: float,
) -> list[float]:
    """The positive parameters of least loss, searched in their logarithms.

    A few steps from each start, then all the way from where the best of them came to.
    """

    def of_logs(logs: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = np.exp(logs)
        value, gradient = loss(parameters)
        return value / n_customers, gradient * parameters / n_customers

    def searched(start: np.ndarray, steps: int) -> OptimizeResult:
        return minimize(
            of_logs,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(-LOG_BOUND, LOG_BOUND)] * n_parameters,
            options={"maxiter": steps, "ftol": 1e-15, "gtol": 1e-8},
        )

    tries = [searched(np.full(n_parameters, start), 10) for start in STARTS]
    begun = min(tries, key=lambda f: f.fun if np.isfinite(f.fun) else np.inf)
    best = searched(begun.x, 2000)
    if not np.isfinite(best.fun) or np.abs(_free_gradient(best)).max() > 1e-3:
        raise DataError(f"the fit of {name} does not converge ({best.message}): use another model")
    if (np.abs(best.x) > LOG_BOUND - 1e-3).any():
        log.warning("%s: a parameter lies at its bound, customers differ too little", name)
    return np.exp(best.x).tolist()


def _free_gradient(fit: OptimizeResult) -> np.ndarray:
    """The gradient by the parameters that are not at a bound."""
    inside = np.abs(fit.x) < LOG_BOUND - 1e-3
    return np.where(inside, fit.jac, 0.0)


def _check_summary(x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> None:
    """Refuse summaries from which nothing can be learned."""
    if not len(x) or not (x > 0).any():
        raise DataError(
            f"bg_nbd needs customers who buy on more than one day: none of {len(x)} does; "
            "lengthen the past or use another model"
        )
    if ((t_x > T) | (T <= 0)).any():
        raise DataError("bg_nbd needs 0 <= recency <= T and T > 0 for every customer")


def _warn_of_dependence(x: np.ndarray, m: np.ndarray) -> None:
    """Log a warning where number and spend are correlated."""
    if np.ptp(x) == 0:
        return
    correlation = float(np.corrcoef(x, m)[0, 1])
    if abs(correlation) > 0.3:
        log.warning(
            "gamma_gamma takes spend and number of purchases for independent: correlation %.2f",
            correlation,
        )
