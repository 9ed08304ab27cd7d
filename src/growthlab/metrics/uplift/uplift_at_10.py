"""Uplift at 10: the effect among the tenth of the customers with the highest predictions."""

from __future__ import annotations

from dataclasses import dataclass

from growthlab.metrics.uplift.uplift_at import UpliftAt


@dataclass(frozen=True)
class UpliftAt10(UpliftAt):
    """See `UpliftAt`.

    Examples
    --------
    The first two of twenty customers: the treated one has an outcome of 1, the other 0.

    >>> import numpy as np
    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=10 * [1, 0], outcome=[1] + 19 * [0])
    >>> UpliftAt10()(label, np.arange(20, 0, -1))
    1.0
    """

    share: float = 0.1
