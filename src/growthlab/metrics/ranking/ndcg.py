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
    """

    name: ClassVar[str] = "ndcg"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return ndcg(lists.hits[:, :k], lists.n_relevant)
