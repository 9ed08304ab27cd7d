"""Welch's test from counts, means and variances: of one difference, or of many at once."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.95


class ArmMoments(NamedTuple):
    """The number of customers, the mean of their values, and the variance of that mean; of one arm.

    Arrays hold one test a place.
    """

    n: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """The moments of the values of an arm, ``(n,)``."""
        return cls.of_sums(len(values), values.sum(), (values**2).sum())

    @classmethod
    def of_sums(cls, n: object, total: object, squares: object) -> Self:
        """The moments from sums of values and of their squares."""
        n, total, squares = (np.asarray(x, dtype=float) for x in (n, total, squares))
        mean = total / n
        return cls(n, mean, np.maximum(squares - n * mean**2, 0.0) / (n - 1) / n)


class WelchTest(NamedTuple):
    """The difference of two means, its bounds and the two-sided p value; NaN where nothing varies."""

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def welch(control: ArmMoments, arm: ArmMoments, level: float = LEVEL) -> WelchTest:
    """Compare two means whose variances may differ. Welch, Biometrika, 1947."""
    difference = arm.mean - control.mean
    variance = arm.variance + control.variance
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = variance**2 / (
            arm.variance**2 / (arm.n - 1) + control.variance**2 / (control.n - 1)
        )
        error = np.sqrt(variance)
        p = 2 * stdtr(freedom, -np.abs(difference / error))
    half = stdtrit(freedom, (1 + level) / 2) * error
    return WelchTest(difference, difference - half, difference + half, p)
