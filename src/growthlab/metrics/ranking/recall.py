"""Recall: the share of the relevant items that are in the list."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class Recall(PerUserAtK):
    """Hits among the first k divided by all relevant items, cold ones included; in [0, 1].

    For the recall that divides by min(k, relevant) see `recall_capped`.
    """

    name: ClassVar[str] = "recall"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return lists.hits[:, :k].sum(axis=1) / np.maximum(lists.n_relevant, 1)
