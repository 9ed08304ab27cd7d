"""Gini: how unevenly the lists are spread over the catalogue."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import OverallAtK, RankedLists, recommendation_counts


class Gini(OverallAtK):
    """Gini index of the recommendation counts over the whole catalogue, zeros included.

    0 if every item is listed equally often, 1 if only one is (the divisor is n - 1). NaN where
    nothing is listed or the catalogue has one item.

    Examples
    --------
    The shares are 1/4, 1/4 and 1/2: (-2 / 4 + 0 / 4 + 2 / 2) / (3 - 1).

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1], [0, 2]], [[], []])
    >>> Gini(k=(2,)).overall(lists)
    {'gini_at_2': 0.25}
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
