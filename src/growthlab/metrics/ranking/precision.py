"""Precision: the share of the list that is relevant."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class Precision(PerUserAtK):
    """Hits among the first k divided by k, even if the list is shorter; in [0, 1]."""

    name: ClassVar[str] = "precision"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return lists.hits[:, :k].sum(axis=1) / k
