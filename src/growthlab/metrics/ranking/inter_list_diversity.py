"""Inter-list diversity: how different the lists of two users are."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import OverallAtK, RankedLists, recommendation_counts


class InterListDiversity(OverallAtK):
    """1 - the mean over all pairs of users of the share of their first k items in common.

    In [0, 1]; NaN for fewer than two users. Random lists have the highest value, so do not optimise
    it alone. Zhou et al., PNAS 2010.

    Examples
    --------
    Two lists of two items have one in common: 1 - 1 / 2.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1], [0, 2]], [[], []])
    >>> InterListDiversity(k=(2,)).overall(lists)
    {'inter_list_diversity_at_2': 0.5}
    """

    name: ClassVar[str] = "inter_list_diversity"

    def of(self, lists: RankedLists, k: int) -> float:
        """See `OverallAtK.of`."""
        counts = recommendation_counts(lists, k).astype(float)
        n_pairs = lists.n_users * (lists.n_users - 1) / 2
        # an item that c lists hold is common to c (c - 1) / 2 pairs of them
        n_common = (counts * (counts - 1) / 2).sum()
        return float(1 - n_common / n_pairs / k) if n_pairs else np.nan
