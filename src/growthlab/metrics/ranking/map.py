"""MAP: the precision at each hit, averaged."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class MAP(PerUserAtK):
    """Sum of the precision at each hit among the first k, divided by min(k, relevant); in [0, 1].

    Other definitions divide by k, by all relevant items or by the hits, and give other numbers.

    Examples
    --------
    Hits at ranks 1 and 3, of two relevant items: (1 / 1 + 2 / 3) / 2.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1, 2]], [[0, 2]])
    >>> MAP(k=(3,)).per_user(lists)["map_at_3"].round(4).tolist()
    [0.8333]
    """

    name: ClassVar[str] = "map"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        rows, places = np.nonzero(lists.hits[:, :k])  # hits are few
        n_hits = np.bincount(rows, minlength=lists.n_users)
        before = np.cumsum(n_hits) - n_hits  # hits of all earlier rows
        precision = (np.arange(1, len(rows) + 1) - before[rows]) / (places + 1)
        total = np.bincount(rows, precision, minlength=lists.n_users)
        return total / np.clip(lists.n_relevant, 1, k)
