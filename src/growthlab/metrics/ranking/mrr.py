"""MRR: the reciprocal rank of the first hit."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class MRR(PerUserAtK):
    """1 / rank of the first hit, 0 without a hit among the first k; in [0, 1].

    Examples
    --------
    The first customer's first hit has rank 2; the second has none.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1, 2], [3, 0, 1]], [[1, 4], [2]])
    >>> MRR(k=(3,)).per_user(lists)["mrr_at_3"].round(4).tolist()
    [0.5, 0.0]
    """

    name: ClassVar[str] = "mrr"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        hits = lists.hits[:, :k]
        return hits.any(axis=1) / (hits.argmax(axis=1) + 1)
