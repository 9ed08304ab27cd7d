"""MRR: how far down the first hit stands."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class MRR(PerUserAtK):
    """1 / place of the first hit, 0 where the first k hold none; in [0, 1]."""

    name: ClassVar[str] = "mrr"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        hits = lists.hits[:, :k]
        return hits.any(axis=1) / (hits.argmax(axis=1) + 1)
