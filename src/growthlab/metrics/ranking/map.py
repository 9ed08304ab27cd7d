"""MAP: the precision at each hit, averaged."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class MAP(PerUserAtK):
    """Sum of the precision at each hit among the first k, divided by min(k, relevant); in [0, 1].

    Other definitions divide by k, by all relevant items or by the hits, and give other numbers.
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
