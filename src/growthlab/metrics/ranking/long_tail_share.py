"""Long tail share: how much of the lists lies outside the few items that most of the past is about."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists, mean_listed

HEAD = 0.8


class LongTailShare(PerUserAtK):
    """Share of long-tail items in the first k (APLT); in [0, 1], NaN for an empty list.

    The head are the most popular items that together hold 80 % of the past's user-item pairs, and
    those as popular as the last of them. Abdollahpouri et al., FLAIRS 2019.
    """

    name: ClassVar[str] = "long_tail_share"
    needs_truth: ClassVar[bool] = False

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        ordered = np.sort(lists.popularity.astype(float))[::-1]
        held = np.cumsum(ordered)
        if not len(held):
            return np.full(lists.n_users, np.nan)
        last = ordered[np.searchsorted(held, HEAD * held[-1] * (1 - 1e-12))]
        return mean_listed((lists.popularity < last).astype(float), lists, k)
