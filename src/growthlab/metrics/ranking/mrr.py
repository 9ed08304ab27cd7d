"""MRR: the reciprocal rank of the first hit."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class MRR(PerUserAtK):
    """1 / rank of the first hit, 0 without a hit among the first k; in [0, 1]."""

    name: ClassVar[str] = "mrr"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        hits = lists.hits[:, :k]
        return hits.any(axis=1) / (hits.argmax(axis=1) + 1)
