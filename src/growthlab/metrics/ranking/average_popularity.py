"""Average popularity: how popular the listed items are."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists, mean_listed


class AveragePopularity(PerUserAtK):
    """Mean number of past users of the first k items (ARP); NaN for an empty list.

    Yin et al., Challenging the Long Tail Recommendation, VLDB 2012.

    Examples
    --------
    Items that 4 and 2 customers had: (4 + 2) / 2.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1]], [[]], popularity=[4, 2, 0])
    >>> AveragePopularity(k=(2,)).per_user(lists)["average_popularity_at_2"].round(4).tolist()
    [3.0]
    """

    name: ClassVar[str] = "average_popularity"
    larger_is_better: ClassVar[bool] = False
    needs_truth: ClassVar[bool] = False

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return mean_listed(lists.popularity, lists, k)
