"""Top decile capture: the share of all value that the top-ranked tenth of customers has."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.weighted_rows import WeightedRows, divided


class TopDecileCapture(OrderMetric):
    """Value of the tenth with the highest predictions divided by all value.

    A tie at the border is shared; 0.1 for a constant; NaN where the labels sum to 0.

    Examples
    --------
    One of ten customers spends 55 of 100, and is predicted to spend most.

    >>> spent = np.array([55] + 9 * [5])
    >>> TopDecileCapture()(spent, np.arange(10, 0, -1))
    0.55
    """

    name: ClassVar[str] = "top_decile_capture"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        return divided(rows.label_of_first(rows.total / 10), rows.label_total)
