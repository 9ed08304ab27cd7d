"""EPC: how unlikely other users are to know the listed items."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists, mean_listed


class EPC(PerUserAtK):
    """Expected popularity complement: mean of 1 - past users of the item / past users.

    In [0, 1], NaN for an empty list. Vargas & Castells, RecSys 2011 (without their discounts).

    Examples
    --------
    Of four customers all had item 0 and one had item 1: (0 + 3 / 4) / 2.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1]], [[]], popularity=[4, 1], n_past_users=4)
    >>> EPC(k=(2,)).per_user(lists)["epc_at_2"].round(4).tolist()
    [0.375]
    """

    name: ClassVar[str] = "epc"
    needs_truth: ClassVar[bool] = False

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return mean_listed(1 - lists.popularity / max(lists.n_past_users, 1), lists, k)
