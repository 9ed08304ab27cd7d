"""Log-likelihoods of the buy-till-you-die models, with their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.special import digamma, gammaln

from growthlab.core.processors import n_threads
from growthlab.models.btyd.purchase_summary import PurchaseSummary, Spends
from growthlab.scorers.btyd_models import BGNBD, GammaGamma, ParetoNBD, PurchaseModel
from growthlab.scorers.death_times import death_times

BLOCK = 32_768  # rows at a time: their arrays fit a processor's cache
PARETO_BLOCK = 2048  # rows, of 32 moments each

Likelihood = tuple[float, np.ndarray]


def log_likelihood(model: PurchaseModel, summary: PurchaseSummary) -> Likelihood:
    """The log-likelihood of all customers, and its gradient by the model's parameters."""
    if isinstance(model, ParetoNBD):
        return pareto_log_likelihood(model, summary)
    return drop_out_log_likelihood(model, summary)


def drop_out_log_likelihood(model: BGNBD, summary: PurchaseSummary) -> Likelihood:
    """BG/NBD and MBG/NBD, with the gradient by ``(r, alpha, a, b)``.

    L = G(r+x) alpha^r / G(r) * B(a, b+x) / B(a, b)
        * [(alpha+T)^-(r+x) + 1[x>0] a / (b+x-1) (alpha+t_x)^-(r+x)]
    (Fader, Hardie and Lee 2005), in logarithms. MBG/NBD has b + x + 1 for b + x, for all x.
    """
    r, alpha, a, b = model
    counts, mass, later = summary.counts, summary.mass, summary.counts + model.first
    last = np.where(later > 0, b + later - 1, 1.0)
    with np.errstate(divide="ignore"):
        log_odds = np.log(np.where(later > 0, a / last, 0.0))

    def sums(rows: slice) -> tuple[float, float, float, np.ndarray]:
        """Over the customers of a block; `left` is the share of the second term."""
        x, w, k = summary.x[rows], summary.weight[rows], summary.place[rows]
        n, since = r + x, alpha + summary.T[rows]
        late = np.log(since)
        if not later[k[-1]]:  # none of them can have left
            return -_dot(w, n * late), -_dot(w, late), _dot(w, n / since), np.zeros(1)
        until = alpha + summary.t_x[rows]
        gap = late - np.log(until)
        odds = n * gap + log_odds[k]
        small = np.exp(-np.abs(odds))
        left = np.where(odds > 0, 1.0, small) / (1 + small) * w
        either = np.maximum(odds, 0.0) + np.log1p(small) - n * late
        pull = _dot(w, n / since) + _dot(left, n * (1 / until - 1 / since))
        by_count = np.bincount(k, left, minlength=len(counts))
        return _dot(w, either), _dot(left, gap) - _dot(w, late), pull, by_count

    either, d_rate, pull, left = _summed(sums, len(summary.x), BLOCK)
    left = np.broadcast_to(left, len(counts))
    rate = gammaln(r + counts) - gammaln(r) + r * np.log(alpha)
    stay = gammaln(b + later) - gammaln(b) + gammaln(a + b) - gammaln(a + b + later)
    both = digamma(a + b) - digamma(a + b + later)
    d_r = mass @ (digamma(r + counts) - digamma(r) + np.log(alpha)) + d_rate
    d_alpha = mass.sum() * r / alpha - pull
    d_a = mass @ both + left.sum() / a
    d_b = mass @ (both + digamma(b + later) - digamma(b)) - left @ (1 / last)
    return float(mass @ (rate + stay) + either), np.array([d_r, d_alpha, d_a, d_b])


def pareto_log_likelihood(model: ParetoNBD, summary: PurchaseSummary) -> Likelihood:
    """Pareto/NBD, with the gradient by ``(r, alpha, s, beta)``.

    L = G(r+x) alpha^r beta^s / G(r) * [(alpha+T)^-(r+x) (beta+T)^-s
        + s * integral over y in (t_x, T) of (alpha+y)^-(r+x) (beta+y)^-(s+1)]
    (Schmittlein, Morrison and Colombo 1987; the integral is A0 / (r+s+x)).
    """
    r, alpha, s, beta = model

    def sums(rows: slice) -> tuple[float, np.ndarray]:
        """Over the customers of a block; `left` is the share of the second term."""
        x, T, w = summary.x[rows], summary.T[rows], summary.weight[rows]
        n, late, later = r + x, np.log(alpha + T), np.log(beta + T)
        dead = death_times(model, x, summary.t_x[rows], T)
        still, gone = -n * late - s * later, np.log(s) + dead.log_integral
        either = np.logaddexp(still, gone)
        left = np.exp(gone - either)
        d_r = -late + left * (late - dead.log_alpha)
        d_alpha = -n * ((1 - left) / (alpha + T) + left * dead.over_alpha)
        d_s = -later + left * (later - dead.log_beta + 1 / s)
        d_beta = -(1 - left) * s / (beta + T) - left * (s + 1) * dead.over_beta
        return _dot(w, either), np.array([_dot(w, d) for d in (d_r, d_alpha, d_s, d_beta)])

    either, gradient = _summed(sums, len(summary.x), PARETO_BLOCK)
    counts, mass = summary.counts, summary.mass
    total = mass.sum()
    rate = gammaln(r + counts) - gammaln(r)
    d_rate = mass @ (digamma(r + counts) - digamma(r))
    logs = total * (r * np.log(alpha) + s * np.log(beta))
    own = [
        d_rate + total * np.log(alpha),
        total * r / alpha,
        total * np.log(beta),
        total * s / beta,
    ]
    return float(mass @ rate + logs + either), gradient + own


def spend_log_likelihood(model: GammaGamma, spends: Spends) -> Likelihood:
    """Gamma-Gamma, with the gradient by ``(p, q, v)``.

    ln L = ln G(px+q) - ln G(px) - ln G(q) + q ln v + (px-1) ln m + px ln x - (px+q) ln(xm+v)
    (Fader and Hardie 2013).
    """
    p, q, v = model
    x, w, counts, mass = spends.x, spends.weight, spends.counts, spends.mass
    n, all_spent = p * counts, x * spends.m + v
    log_spent = np.log(all_spent)
    value = mass @ (
        gammaln(n + q) - gammaln(n) - gammaln(q) + q * np.log(v) + n * np.log(counts)
    ) + _dot(w, (p * x - 1) * spends.log_m - (p * x + q) * log_spent)
    d_p = mass @ (counts * (digamma(n + q) - digamma(n) + np.log(counts)))
    d_p += _dot(w, x * (spends.log_m - log_spent))
    d_q = mass @ (digamma(n + q) - digamma(q) + np.log(v)) - _dot(w, log_spent)
    d_v = mass.sum() * q / v - _dot(w, (p * x + q) / all_spent)
    return float(value), np.array([d_p, d_q, d_v])


def _dot(left: np.ndarray, right: np.ndarray) -> float:
    """The inner product without BLAS, whose threads would compete with ours."""
    return float(np.einsum("i,i->", left, right))


def _summed(sums: Callable[[slice], tuple], n_rows: int, block: int) -> list:
    """The sums over blocks of rows, added in the order of the blocks, whichever thread computed them."""
    blocks = [slice(i, i + block) for i in range(0, n_rows, block)]
    if len(blocks) == 1:
        return list(sums(blocks[0]))

    def parts() -> Iterator[tuple]:
        with ThreadPoolExecutor(n_threads()) as pool:  # numpy's arithmetic runs without the GIL
            yield from pool.map(sums, blocks)

    return [sum(part) for part in zip(*parts(), strict=True)]
