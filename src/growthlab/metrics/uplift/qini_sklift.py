"""Qini as scikit-uplift computes it: relative to the curve of a perfect order."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.uplift.base import ArmsSoFar, Truth, area
from growthlab.metrics.weighted_rows import WeightedRows, divided


class QiniSklift(OrderMetric):
    """Area between the Qini curve and the diagonal, over the same area of a perfect order.

    The curve is `ArmsSoFar.qini`; the perfect order lists treated customers with the outcome first and
    those of the control with it last. 0 for a random order, 1 is perfect, negative is worse than
    random; NaN for outcomes other than 0 and 1. ``sklift.metrics.qini_auc_score``, scikit-uplift 0.5.
    Radcliffe, Using Control Groups to Target on Predicted Lift, 2007.

    Examples
    --------
    The curve is 0, 0, 1, 1, 0, with an area of 2; that of the perfect order, 0, 1, 1, 1, 0, has 3.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 0, 1])
    >>> round(QiniSklift()(label, np.array([3, 4, 2, 1])), 4)
    0.6667
    """

    name: ClassVar[str] = "qini_sklift"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        if not Truth.of(rows.ranking.label).is_binary:
            return np.full(len(rows), np.nan)
        arms = ArmsSoFar.of(rows)
        total = arms.total
        diagonal = total.n * total.qini() / 2
        return divided(area(arms.n, arms.qini()) - diagonal, _perfect(total) - diagonal)


def _perfect(total: ArmsSoFar) -> np.ndarray:
    """The area of the perfect order."""
    n = np.column_stack([total.treated, total.n - total.control, total.n])
    return area(n, np.column_stack([total.treated, total.treated, total.qini()]))
