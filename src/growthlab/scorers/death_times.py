"""The time at which a Pareto/NBD customer left, integrated out by one quadrature, without 2F1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss

NODES, WEIGHTS = leggauss(32)
FALL = 40.0  # logarithm below the maximum from which the integrand changes no digit


class DeathTimes(NamedTuple):
    """Where the integral lies: its logarithm and the means of four functions of the moment y.

    All ``(n,)``; the means are weighted by the integrand, and are what its derivatives need.
    """

    log_integral: np.ndarray  # of (alpha + y)^-(r+x) (beta + y)^-(s+1) over y in (t_x, T)
    log_alpha: np.ndarray  # mean of log(alpha + y)
    log_beta: np.ndarray
    over_alpha: np.ndarray  # mean of 1 / (alpha + y)
    over_beta: np.ndarray


def death_times(
    parameters: tuple[float, float, float, float], x: np.ndarray, t_x: np.ndarray, T: np.ndarray
) -> DeathTimes:
    """The integral over the moment of leaving in the Pareto/NBD `parameters` (r, alpha, s, beta).

    It equals A0 / (r+s+x), the difference of two 2F1 that cancel each other where customers have
    bought often. In u = log(m + y) with the smaller m of alpha and beta the integrand is
    log-concave and has no singularity near the line, so that 32 points give ten digits and more.
    -inf where ``t_x = T``.
    """
    r, alpha, s, beta = parameters
    n, least = (r + x)[:, None], min(alpha, beta)
    start, age = t_x[:, None], T[:, None]
    length = np.log((least + age) / (least + start))
    slope = 1 - (least + start) * (n / (alpha + start) + (s + 1) / (beta + start))
    with np.errstate(divide="ignore"):
        length = np.where(slope < 0, np.minimum(length, FALL / np.maximum(-slope, 1e-300)), length)
    u = length / 2 * (1 + NODES)
    y = start + (least + start) * np.expm1(u)  # (n, 32)
    log_alpha, log_beta = np.log(alpha + y), np.log(beta + y)
    # the step dy = (m + y) du
    log_parts = (log_alpha if alpha <= beta else log_beta) - n * log_alpha - (s + 1) * log_beta
    most = log_parts.max(axis=1, keepdims=True)
    parts = WEIGHTS * np.exp(log_parts - most)
    total = parts.sum(axis=1)
    share = parts / total[:, None]
    with np.errstate(divide="ignore"):
        log_integral = np.log(total) + most[:, 0] + np.log(length[:, 0] / 2)
    means = (
        (share * f).sum(axis=1) for f in (log_alpha, log_beta, 1 / (alpha + y), 1 / (beta + y))
    )
    return DeathTimes(log_integral, *means)
