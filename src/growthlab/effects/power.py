"""How many customers show an effect, how large an effect a number of customers shows, and how surely."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

ALPHA, POWER = 0.05, 0.8


def customers_for_share(
    share: float, other: float, *, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Customers an arm that show a change of a share with the given power, two-sided.

    >>> round(customers_for_share(0.05, 0.055), 1)
    31233.4
    """
    mean = (share + other) / 2
    under_null = ndtri(1 - alpha / 2) * np.sqrt(2 * mean * (1 - mean))
    under_effect = ndtri(power) * np.sqrt(share * (1 - share) + other * (1 - other))
    return float((under_null + under_effect) ** 2 / (other - share) ** 2)


def customers_for_mean(
    difference: float, variance: float, *, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Customers an arm that show a difference of means of values with this variance.

    >>> round(customers_for_mean(0.5, 1.0), 1)
    62.8
    """
    return float(2 * (ndtri(1 - alpha / 2) + ndtri(power)) ** 2 * variance / difference**2)


def detectable(error: float, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """The difference that is shown with the given power where its standard error is `error`."""
    return float((ndtri(1 - alpha / 2) + ndtri(power)) * error)


def power_of(difference: float, error: float, *, alpha: float = ALPHA) -> float:
    """The probability that a difference is shown where its standard error is `error`."""
    z, limit = abs(difference) / error, ndtri(1 - alpha / 2)
    return float(ndtr(z - limit) + ndtr(-z - limit))
