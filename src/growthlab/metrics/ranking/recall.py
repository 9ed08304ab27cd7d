"""Recall: the share of the relevant items that are in the list."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class Recall(PerUserAtK):
    """Hits among the first k divided by all relevant items, cold ones included; in [0, 1].

    For the recall that divides by min(k, relevant) see `recall_capped`.

    Examples
    --------
    One of the first customer's two relevant items is listed, and not the second's only one.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1, 2], [3, 0, 1]], [[1, 4], [2]])
    >>> Recall(k=(3,)).per_user(lists)["recall_at_3"].round(4).tolist()
    [0.5, 0.0]
    """

    name: ClassVar[str] = "recall"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return lists.hits[:, :k].sum(axis=1) / np.maximum(lists.n_relevant, 1)
