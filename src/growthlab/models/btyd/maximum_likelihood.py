"""The maximum of a log-likelihood of positive parameters, with standard errors."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult, minimize
from threadpoolctl import ThreadpoolController

from growthlab.core.errors import DataError

log = logging.getLogger(__name__)

LOG_BOUND = 8.0  # |log of a parameter|: beyond it customers are all alike, and 2F1 overflows
AT_BOUND = LOG_BOUND - 1e-3
STARTS = (0.0, -1.0, 1.0)  # log of all parameters at the start
STEP = 1e-4  # of a logarithm, for the curvature from differences of the gradient
CLOSE = 1e-3  # distance to the maximal log-likelihood at which the search has converged

# parameters -> log-likelihood, gradient
LogLikelihood = Callable[[np.ndarray], tuple[float, np.ndarray]]


class Maximum(NamedTuple):
    """The parameters with the largest log-likelihood.

    `errors` are standard errors from the observed information, NaN for a parameter at a bound (and
    for all, where the information is singular). `bound` is -1, 0 or 1 a parameter: at its lower
    bound, free, at its upper bound.
    """

    parameters: np.ndarray
    errors: np.ndarray
    log_likelihood: float
    bound: np.ndarray


class _Loss(NamedTuple):
    """Minus the mean log-likelihood a customer, by the logarithms of the parameters."""

    log_likelihood: LogLikelihood
    n_customers: float

    def __call__(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = np.exp(logs)
        value, gradient = self.log_likelihood(parameters)
        return -value / self.n_customers, -gradient * parameters / self.n_customers

    def curvature(self, logs: np.ndarray) -> np.ndarray:
        """The matrix of second derivatives, by central differences of the gradient."""
        steps = STEP * np.eye(len(logs))
        rows = [(self(logs + s)[1] - self(logs - s)[1]) / (2 * STEP) for s in steps]
        return (np.array(rows) + np.transpose(rows)) / 2


def maximise(
    name: str,
    n_parameters: int,
    log_likelihood: LogLikelihood,
    n_customers: float,
    *,
    preview: tuple[LogLikelihood, float] | None = None,
    start: Sequence[float] | np.ndarray | None = None,
) -> Maximum:
    """The parameters of the highest likelihood, searched in their logarithms.

    From `start`, or from the best of three after a few steps each. `preview` is the likelihood of a
    part of the customers, with their number: it is maximised first, and its curvature leads the
    search among all of them, which then needs few steps.

    Raises
    ------
    DataError
        The search does not converge.
    """
    whole = _Loss(log_likelihood, n_customers)
    first = whole if preview is None else _Loss(*preview)
    with _pools().limit(limits=1, user_api="blas"):  # threads only slow down 4 x 4 matrices
        logs = (
            _best_start(first, n_parameters)
            if start is None
            else np.log(np.array(start, dtype=float))
        )
        result = _search_within_bounds(first, logs, 2000)
        if preview is not None:
            result = _search_with_curvature(whole, result.x, first.curvature(result.x))
            if (np.abs(result.x) > AT_BOUND).any() or not np.isfinite(result.fun):
                result = _search_within_bounds(
                    whole, np.clip(result.x, -LOG_BOUND, LOG_BOUND), 2000
                )
        try:
            return _checked_maximum(name, whole, result)
        except DataError:  # a failed line search may stop L-BFGS-B early: restart it once
            logs = np.clip(result.x, -LOG_BOUND, LOG_BOUND)
            return _checked_maximum(name, whole, _search_within_bounds(whole, logs, 2000))


@cache
def _pools() -> ThreadpoolController:
    """The thread pools of the libraries that are loaded."""
    return ThreadpoolController()


def _best_start(loss: _Loss, n_parameters: int) -> np.ndarray:
    """The point that the best of the starts reaches in a few steps."""
    tries = [_search_within_bounds(loss, np.full(n_parameters, start), 10) for start in STARTS]
    return min(tries, key=lambda f: f.fun if np.isfinite(f.fun) else np.inf).x


def _search_within_bounds(loss: _Loss, logs: np.ndarray, steps: int) -> OptimizeResult:
    """The search within the bounds."""
    return minimize(
        loss,
        logs,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-LOG_BOUND, LOG_BOUND)] * len(logs),
        options={"maxiter": steps, "ftol": 1e-15, "gtol": 1e-8},
    )


def _search_with_curvature(loss: _Loss, logs: np.ndarray, curvature: np.ndarray) -> OptimizeResult:
    """The search from near the optimum, with an approximate curvature."""
    values, vectors = np.linalg.eigh(curvature)
    inverse = vectors @ np.diag(1 / np.maximum(values, 1e-6 * max(values.max(), 1e-6))) @ vectors.T
    options = {"hess_inv0": (inverse + inverse.T) / 2, "gtol": 1e-7, "maxiter": 200}
    with warnings.catch_warnings():  # of an unsuccessful line search: convergence is checked below
        warnings.simplefilter("ignore")
        return minimize(loss, logs, jac=True, method="BFGS", options=options)


def _checked_maximum(name: str, loss: _Loss, result: OptimizeResult) -> Maximum:
    """The optimum with its standard errors, after a last Newton step if that helps.

    The distance to the maximum follows from slope and curvature: g' H^-1 g / 2 a customer.
    """
    if not np.isfinite(result.fun):
        raise DataError(f"the fit of {name} does not converge: its log-likelihood is {result.fun}")
    logs, value, slope = result.x, result.fun, np.asarray(result.jac)
    free = np.abs(logs) <= AT_BOUND
    curvature = loss.curvature(logs)[np.ix_(free, free)]
    known = free.any() and np.isfinite(curvature).all()
    definite = known and np.linalg.eigvalsh(curvature).min() > 1e-12
    distance = float(np.abs(slope[free]).max(initial=0.0)) * loss.n_customers
    if definite:
        step = np.linalg.solve(curvature, slope[free])
        distance = float(slope[free] @ step) / 2 * loss.n_customers
        if distance > 1e-3 * CLOSE:
            better = logs.copy()
            better[free] -= step
            after, new_slope = loss(better)
            if after < value:
                logs, value, left = better, after, new_slope[free]
                distance = float(left @ np.linalg.solve(curvature, left)) / 2 * loss.n_customers
    if not distance < max(CLOSE, 1e-9 * loss.n_customers):
        raise DataError(
            f"the fit of {name} does not converge: after {result.nit} steps its log-likelihood may "
            f"still rise by {distance:.2g} ({result.message}); use another model"
        )
    errors = np.full(len(logs), np.nan)
    if definite:
        variance = np.diag(np.linalg.inv(curvature)) / loss.n_customers
        errors[free] = np.exp(logs[free]) * np.sqrt(variance)
    bound = np.where(free, 0, np.sign(logs)).astype(int)
    return Maximum(np.exp(logs), errors, -value * loss.n_customers, bound)
