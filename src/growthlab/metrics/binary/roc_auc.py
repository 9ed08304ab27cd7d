"""ROC AUC: how well leavers are ranked above stayers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.weighted_rows import WeightedRows, divided


class RocAuc(OrderMetric):
    """Probability that a random positive has a higher prediction than a random negative; ties count half.

    In [0, 1], 0.5 for a constant; NaN where a class is missing.

    Examples
    --------
    0.9 is above both customers who stayed, 0.4 above one of them: 3 of 4 pairs.

    >>> left = np.array([1, 0, 1, 0])
    >>> risk = np.array([0.9, 0.8, 0.4, 0.1])
    >>> RocAuc()(left, risk)
    0.75
    """

    name: ClassVar[str] = "roc_auc"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        n_positive, n_negative = rows.label_total, rows.total - rows.label_total
        # against each positive: the negatives above it, and half of those in its group
        negatives_so_far = rows.mass_so_far - rows.label_so_far
        twice_against = 2 * negatives_so_far - (rows.mass - rows.label)
        n_against = np.einsum("rg,rg->r", rows.label, twice_against, dtype=float) / 2
        n_pairs = n_positive * n_negative
        return divided(n_pairs - n_against, n_pairs)
