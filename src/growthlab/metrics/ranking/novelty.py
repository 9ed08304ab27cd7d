"""Novelty: how surprising the listed items are, by their popularity in the past."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists, mean_listed


class Novelty(PerUserAtK):
    """Mean self-information of the first k in bits, -log2(past users of the item / past users).

    A cold item counts as half a user. NaN for an empty list. Zhou et al., PNAS 2010.

    Examples
    --------
    Of four customers all had item 0 and one had item 1: (-log2(1) - log2(1 / 4)) / 2.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1]], [[]], popularity=[4, 1], n_past_users=4)
    >>> Novelty(k=(2,)).per_user(lists)["novelty_at_2"].round(4).tolist()
    [1.0]
    """

    name: ClassVar[str] = "novelty"
    needs_truth: ClassVar[bool] = False

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        users = np.where(lists.popularity > 0, lists.popularity, 0.5)
        return mean_listed(-np.log2(users / max(lists.n_past_users, 1)), lists, k)
