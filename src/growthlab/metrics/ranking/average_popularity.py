"""Average popularity: how popular the listed items are."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists, mean_listed


class AveragePopularity(PerUserAtK):
    """Mean number of past users of the first k items (ARP); NaN for an empty list.

    Yin et al., Challenging the Long Tail Recommendation, VLDB 2012.
    """

    name: ClassVar[str] = "average_popularity"
    larger_is_better: ClassVar[bool] = False
    needs_truth: ClassVar[bool] = False

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return mean_listed(lists.popularity, lists, k)
