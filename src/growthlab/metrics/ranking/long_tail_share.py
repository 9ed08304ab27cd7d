"""Long tail share: the share of listed items outside the few most popular ones."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists, head_items, mean_listed


class LongTailShare(PerUserAtK):
    """Share of long-tail items in the first k (APLT); in [0, 1], NaN for an empty list.

    The long tail is all items but `head_items`. Abdollahpouri et al., FLAIRS 2019.

    Examples
    --------
    Item 0 alone has 8 of all 10 interactions, so the other two are the long tail; the list has one of them.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1]], [[]], popularity=[8, 1, 1])
    >>> LongTailShare(k=(2,)).per_user(lists)["long_tail_share_at_2"].round(4).tolist()
    [0.5]
    """

    name: ClassVar[str] = "long_tail_share"
    needs_truth: ClassVar[bool] = False

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        if not len(lists.popularity):
            return np.full(lists.n_users, np.nan)
        return mean_listed((~head_items(lists.popularity)).astype(float), lists, k)
