"""Hit rate: the share of users with a hit in the list."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class HitRate(PerUserAtK):
    """1 if any of the first k is relevant, else 0."""

    name: ClassVar[str] = "hit_rate"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return lists.hits[:, :k].any(axis=1).astype(float)
