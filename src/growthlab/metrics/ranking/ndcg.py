"""NDCG: hits higher in the list count more; the default objective of recommenders."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists
from growthlab.ranking.ndcg import ndcg


class NDCG(PerUserAtK):
    """Normalised discounted cumulative gain with binary relevance; in [0, 1].

    A perfect list has 1 even if k exceeds the number of relevant items; see
    `growthlab.ranking.ndcg`. Järvelin & Kekäläinen, TOIS 2002.

    Examples
    --------
    One hit, at rank 2, of two relevant items: 1 / log2(3) over the best possible 1 + 1 / log2(3).

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1, 2]], [[1, 4]])
    >>> NDCG(k=(3,)).per_user(lists)["ndcg_at_3"].round(4).tolist()
    [0.3869]
    """

    name: ClassVar[str] = "ndcg"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return ndcg(lists.hits[:, :k], lists.n_relevant)
