"""AUUC as scikit-uplift computes it: relative to the curve of a perfect order."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.uplift.base import ArmsSoFar, Truth, area
from growthlab.metrics.weighted_rows import WeightedRows, divided


class AuucSklift(OrderMetric):
    """Area between the uplift curve and the diagonal, over the same area of a perfect order.

    The curve is `ArmsSoFar.gain`. 0 for a random order; NaN for outcomes other than 0 and 1.
    ``sklift.metrics.uplift_auc_score``, scikit-uplift 0.5.

    Examples
    --------
    The curve is 0, 0, 2, 3/2, 0, with an area of 7/2; that of the perfect order, 0, 1, 2, 3/2, 0, has 9/2.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 0, 1])
    >>> round(AuucSklift()(label, np.array([3, 4, 2, 1])), 4)
    0.7778
    """

    name: ClassVar[str] = "auuc_sklift"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        if not Truth.of(rows.ranking.label).is_binary:
            return np.full(len(rows), np.nan)
        arms = ArmsSoFar.of(rows)
        total = arms.total
        diagonal = total.n * total.gain() / 2
        return divided(area(arms.n, arms.gain()) - diagonal, _perfect(total) - diagonal)


def _perfect(total: ArmsSoFar) -> np.ndarray:
    """The area of the library's perfect order.

    Treated customers with the outcome come first, then those of the control without it; of the two
    other kinds the treated ones without the outcome are last where they are fewer.
    """
    good, harmed = total.treated, total.control
    calm, wasted = total.n_control - harmed, total.n_treated - good
    zero = np.zeros_like(good)
    few_wasted = harmed > wasted
    third = ArmsSoFar(
        total.n - np.where(few_wasted, wasted, harmed),
        np.where(few_wasted, good, total.n_treated),
        np.where(few_wasted, total.n_control, calm),
        good,
        np.where(few_wasted, harmed, zero),
    )
    points = (
        ArmsSoFar(good, good, zero, good, zero),
        ArmsSoFar(good + calm, good, calm, good, zero),
        third,
        total,
    )
    n = np.column_stack([p.n for p in points])
    return area(n, np.column_stack([p.gain() for p in points]))
