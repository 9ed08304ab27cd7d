"""What a change is made of: parts that add up to it, and whether it is larger than usual."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

DEVIATIONS = 2.0  # of the monthly change, in which a change is usual
MIN_CHANGES = 4  # of history, to know what is usual


def factor_contributions(
    before: Mapping[str, float], now: Mapping[str, float]
) -> dict[str, float] | None:
    """How much each factor adds to the change of the product of all factors.

    The parts add up to the change: it is shared out by the logarithms of the factors' changes
    (LMDI; Ang, Energy Policy 2005). None where a factor is not positive.

    >>> factor_contributions({"buyers": 10, "spend": 2.0}, {"buyers": 20, "spend": 2.0})
    {'buyers': 20.0, 'spend': 0.0}
    """
    if not all(each > 0 for factors in (before, now) for each in factors.values()):
        return None
    old, new = math.prod(before.values()), math.prod(now.values())
    growth = math.log(new / old)
    # the mean of both products for which growth x mean is the change
    mean = (new - old) / growth if growth else old
    return {name: mean * math.log(now[name] / before[name]) for name in before}


def usual_change(history: Sequence[float]) -> float | None:
    """The largest usual change from one value to the next, as a logarithm of their ratio.

    `history` has the values before the change in question. Usual are `DEVIATIONS` standard
    deviations around no change; None where fewer than `MIN_CHANGES` changes are known. A value that
    is NaN or not positive has no change before or after it.
    """
    values = np.asarray(history, dtype=float)
    logs = np.log(np.where(values > 0, values, np.nan))
    steps = np.diff(logs)
    steps = steps[~np.isnan(steps)]
    if len(steps) < MIN_CHANGES:
        return None
    return DEVIATIONS * float(np.sqrt(np.mean(steps**2)))


def is_unusual(values: Sequence[float]) -> bool | None:
    """Whether the last change is larger than the usual ones before it; None where that is unknown."""
    usual = usual_change(values[:-1])
    if usual is None or not (values[-1] > 0 and values[-2] > 0):
        return None
    return abs(math.log(values[-1] / values[-2])) > usual


def rounded_parts(parts: Mapping[str, float], digits: int) -> dict[str, float]:
    """The parts rounded so that they still add up to their rounded sum; the largest takes the rest."""
    rounded = {name: round(value, digits) for name, value in parts.items()}
    if rounded:
        largest = max(rounded, key=lambda name: abs(rounded[name]))
        rest = round(sum(parts.values()), digits) - sum(rounded.values())
        rounded[largest] = round(rounded[largest] + rest, digits)
    return rounded
