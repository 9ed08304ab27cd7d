"""Gini: how unevenly the lists are spread over the catalogue."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import OverallAtK, RankedLists, recommendation_counts


class Gini(OverallAtK):
    """Gini index of the recommendation counts over the whole catalogue, zeros included.

    0 if every item is listed equally often, 1 if only one is (the divisor is n - 1). NaN where
    nothing is listed or the catalogue has one item.
    """

    name: ClassVar[str] = "gini"
    larger_is_better: ClassVar[bool] = False

    def of(self, lists: RankedLists, k: int) -> float:
        """See `OverallAtK.of`."""
        counts = np.sort(recommendation_counts(lists, k))
        n = len(counts)
        if n < 2 or not counts.any():
            return np.nan
        share = counts / counts.sum()
        return float(((2 * np.arange(1, n + 1) - n - 1) * share).sum() / (n - 1))
