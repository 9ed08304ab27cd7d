"""AUUC as causalml computes it: the mean gain on the way to treating everybody."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.uplift.base import ArmsSoFar, straight_until_defined, sum_of_places
from growthlab.metrics.weighted_rows import WeightedRows, divided


class AuucCausalml(OrderMetric):
    """Mean height of the uplift curve over the height at its end; about one half for a random order.

    The curve is `ArmsSoFar.gain`; its effect rises in a line as long as nobody is in one of the arms.
    Outcomes are of any kind; NaN where the arm gained nothing. ``causalml.metrics.auuc_score``, 0.18;
    where that orders ties by chance they are spread evenly here.

    Examples
    --------
    The curve is 1/2, 2, 3, 2: (15/2) / 5 over a height of 2.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 1, 1])
    >>> AuucCausalml()(label, np.array([4, 3, 2, 1]))
    0.75
    """

    name: ClassVar[str] = "auuc_causalml"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        arms = ArmsSoFar.of(rows)
        effect = divided(arms.gain(), arms.n)
        defined = (arms.n_treated > 0) & (arms.n_control > 0)
        curve = straight_until_defined(arms.n, effect, defined) * arms.n
        n = arms.n[:, -1]
        return divided(sum_of_places(arms.n, curve) / (n + 1), np.abs(curve[:, -1]))
