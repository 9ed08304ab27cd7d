"""Recall: the share of what a user took that the list held."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class Recall(PerUserAtK):
    """Hits among the first k divided by all relevant items, cold ones included; in [0, 1].

    The "capped" recall that divides by min(k, relevant) is another metric.
    """

    name: ClassVar[str] = "recall"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return lists.hits[:, :k].sum(axis=1) / np.maximum(lists.n_relevant, 1)
