"""95 % bounds of an estimate: from its value without each customer, or on resamples of customers."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

LEVEL = 0.95
ENOUGH_CUSTOMERS = 200  # with fewer, bounds hold the truth less often than they say
ENOUGH_EFFECTIVE = 50  # of them, see `effective_number`
NO_BOUNDS = (np.nan, np.nan)
NO_SPREAD = 1e-12  # of a value that is the same in every resample, but for rounding


def jackknife_bounds(value: float, without: np.ndarray) -> tuple[float, float]:
    """The bounds of a smooth function of sums, from its values `without` each customer or cell.

    Student's t with the jackknife's standard error, transformed so that the skewness of customers
    does not shift it: Hall, On the removal of skewness by transformation, JRSS B 54(1), 1992. NaN
    for fewer than two values; no width without spread, see `unless_without_width`.
    """
    d = without[~np.isnan(without)]
    n = len(d)
    d = d.mean() - d if n else d
    squares = float(d @ d)
    if n < 2:
        return NO_BOUNDS
    if not np.sqrt(squares) > NO_SPREAD * abs(value):
        return value, value
    error = np.sqrt((n - 1) / n * squares)
    skew = float((d**3).sum() / (6 * squares**1.5))  # a sixth of the skewness of the value
    low, high = (value - error * _untransformed(t, skew) for t in _t_quantiles(n))
    return float(low), float(high)


def is_rough(without: np.ndarray, n: int) -> bool:
    """Whether the bounds over `n` customers hold the truth less often than they say.

    They are few, or few of them decide the value; `without` are the values without each customer or
    each group of customers.
    """
    return n < ENOUGH_CUSTOMERS or effective_number(without, n) < ENOUGH_EFFECTIVE


def effective_number(without: np.ndarray, n: int) -> float:
    """How many of `n` customers there are by their weight in a value; NaN where none has any.

    Kish's effective number (Survey Sampling, 1965) of the squared changes `d` of the value,
    ``(sum d^2)^2 / sum d^4``: `n` for changes of one size, a third of it for normal ones, and few
    where a heavy tail or a handful of positives decides. `without` may leave out equal groups of
    customers, drawn without regard to them; the kurtosis of a customer's change is then that of a
    group's, less 3, times the size of a group, plus 3.
    """
    known = without[~np.isnan(without)]
    d = known - known.mean() if len(known) else known
    squares = float(d @ d)
    if not np.sqrt(squares) > NO_SPREAD * float(np.abs(known).max(initial=0.0)):
        return np.nan
    kurtosis = len(d) * float((d**4).sum()) / squares**2
    kurtosis = 3 + n / len(d) * (kurtosis - 3)
    return n / max(kurtosis, 1.0)


def percentile_bounds(resampled: np.ndarray) -> tuple[float, float]:
    """The bounds of the central 95 % of resampled values; NaN values are left out."""
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return NO_BOUNDS
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def bias_corrected_bounds(value: float, resampled: np.ndarray) -> tuple[float, float]:
    """The `percentile_bounds`, less twice what resampling adds to the value.

    What it adds is the bootstrap's estimate of bias: resamples lie as far above the value as the value
    lies above the truth. Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 10.
    """
    low, high = percentile_bounds(resampled)
    if np.isnan(low):
        return NO_BOUNDS
    shift = 2 * (float(np.nanmean(resampled)) - value)
    return low - shift, high - shift


def unless_without_width(bounds: tuple[float, float]) -> tuple[float, float]:
    """The bounds, NaN if they have no width: where customers do not differ, nothing can be said.

    That nobody of 30 was hit does not say that nobody ever will be. The difference of two models
    that predict the same is another matter: it is 0 for certain.
    """
    low, high = bounds
    return bounds if high - low > NO_SPREAD * max(abs(low), abs(high)) else NO_BOUNDS


def _t_quantiles(n: int) -> tuple[float, float]:
    """The upper and the lower quantile of Student's t of `n` values."""
    upper = float(stdtrit(n - 1, (1 + LEVEL) / 2))
    return upper, -upper


def _untransformed(t: float, skew: float) -> float:
    """The x for which ``x + skew (2 x^2 + 1) + 4/3 skew^2 x^3`` is `t`."""
    if abs(skew) < 1e-6:
        return t
    return float((np.cbrt(1 + 6 * skew * (t - skew)) - 1) / (2 * skew))
