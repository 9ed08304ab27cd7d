"""MAP: the precision at each hit, averaged."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class MAP(PerUserAtK):
    """Sum of the precision at the place of each hit among the first k, divided by min(k, relevant);
    in [0, 1].

    Divisors of k, of all relevant items and of the hits occur elsewhere, and give other numbers.
    """

    name: ClassVar[str] = "map"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        hits = lists.hits[:, :k]
        precision = np.cumsum(hits, axis=1) / np.arange(1, k + 1)
        return (precision * hits).sum(axis=1) / np.clip(lists.n_relevant, 1, k)
