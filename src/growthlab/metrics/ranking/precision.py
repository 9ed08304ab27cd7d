"""Precision: the share of the list that is relevant."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class Precision(PerUserAtK):
    """Hits among the first k divided by k, even if the list is shorter; in [0, 1].

    Examples
    --------
    One of the first customer's three items is relevant, none of the second's.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1, 2], [3, 0, 1]], [[1, 4], [2]])
    >>> Precision(k=(3,)).per_user(lists)["precision_at_3"].round(4).tolist()
    [0.3333, 0.0]
    """

    name: ClassVar[str] = "precision"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return lists.hits[:, :k].sum(axis=1) / k
