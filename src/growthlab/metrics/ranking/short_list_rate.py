"""Short list rate: the share of users whose list has fewer items than requested."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import OverallAtK, RankedLists


class ShortListRate(OverallAtK):
    """Share of users with fewer than k items in the list; in [0, 1], NaN without users.

    Examples
    --------
    The second of two lists ends after one item.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1], [0, -1]], [[], []])
    >>> ShortListRate(k=(2,)).overall(lists)
    {'short_list_rate_at_2': 0.5}
    """

    name: ClassVar[str] = "short_list_rate"
    larger_is_better: ClassVar[bool] = False

    def of(self, lists: RankedLists, k: int) -> float:
        """See `OverallAtK.of`."""
        return float((lists.items[:, k - 1] < 0).mean()) if lists.n_users else np.nan
