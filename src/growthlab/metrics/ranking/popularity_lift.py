"""Popularity lift: how much more popular the listed items are than those of the user's history."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists, mean_listed


class PopularityLift(PerUserAtK):
    """Mean past users of the first k divided by that of the user's distinct past items, minus 1.

    0 if the list is as popular as the history. NaN for an empty list or an empty history.
    Abdollahpouri et al., The Unfairness of Popularity Bias, RMSE at RecSys 2019 (there by groups).

    Examples
    --------
    The listed items have 4 and 1 customers, those of the history 1 and 1: 2.5 / 1 - 1.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1]], [[]], popularity=[4, 1, 1], histories=[[1, 2]])
    >>> PopularityLift(k=(2,)).per_user(lists)["popularity_lift_at_2"].round(4).tolist()
    [1.5]
    """

    name: ClassVar[str] = "popularity_lift"
    larger_is_better: ClassVar[bool] = False
    needs_truth: ClassVar[bool] = False

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        with np.errstate(invalid="ignore", divide="ignore"):
            lift = mean_listed(lists.popularity, lists, k) / lists.past_popularity - 1
        return np.where(lists.past_popularity > 0, lift, np.nan)
