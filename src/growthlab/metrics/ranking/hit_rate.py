"""Hit rate: the share of users with a hit in the list."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class HitRate(PerUserAtK):
    """1 if any of the first k is relevant, else 0.

    Examples
    --------
    The first customer's list has item 1, which is relevant; the second's has no hit.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1, 2], [3, 0, 1]], [[1, 4], [2]])
    >>> HitRate(k=(3,)).per_user(lists)["hit_rate_at_3"].round(4).tolist()
    [1.0, 0.0]
    """

    name: ClassVar[str] = "hit_rate"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return lists.hits[:, :k].any(axis=1).astype(float)
