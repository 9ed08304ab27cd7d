"""NDCG: hits high in the list count more; the objective of every choice among recommenders."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class NDCG(PerUserAtK):
    """Normalised discounted cumulative gain with binary relevance; in [0, 1].

    The gain of a hit at place j is 1 / log2(j + 1); the ideal list holds min(k, relevant) hits at
    its top, so that a perfect list has 1 also where k exceeds the number of relevant items.
    Järvelin & Kekäläinen, TOIS 2002.
    """

    name: ClassVar[str] = "ndcg"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        gains = 1 / np.log2(np.arange(2, k + 2))
        ideal = np.cumsum(gains)[np.clip(lists.n_relevant, 1, k) - 1]
        rows, places = np.nonzero(lists.hits[:, :k])  # few of all places
        return np.bincount(rows, gains[places], minlength=lists.n_users) / ideal
