"""Average precision: the area under the precision-recall curve, as a sum of steps."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.weighted_rows import WeightedRows, divided


class AveragePrecision(OrderMetric):
    """Precision at each threshold, weighted by the recall that the threshold adds.

    Equal predictions share a threshold. (Trapezoids under the same points would overestimate the
    area.) In [0, 1], the prevalence for a constant; NaN without positives.

    Examples
    --------
    The leavers have ranks 1 and 3, and each adds half of the recall: (1 / 1 + 2 / 3) / 2.

    >>> left = np.array([1, 0, 1, 0])
    >>> risk = np.array([0.9, 0.8, 0.4, 0.1])
    >>> round(AveragePrecision()(left, risk), 4)
    0.8333
    """

    name: ClassVar[str] = "average_precision"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        precision = rows.label_so_far / np.maximum(rows.mass_so_far, 1)
        return divided((precision * rows.label).sum(axis=-1), rows.label_total)
