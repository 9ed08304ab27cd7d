"""Repeat ratio: the share of the list that the user has had before."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class RepeatRatio(PerUserAtK):
    """Items of the user's history among the first k, divided by k; in [0, 1].

    It is logged with ``repeat_ratio_of_truth``, the same share of the relevant items, as a list may
    repeat more than its user does. Li et al., A Next Basket Recommendation Reality Check, TOIS 2023.

    Examples
    --------
    The customer had item 0 before, one of the two that are listed; the relevant item is new.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1]], [[1]], histories=[[0]])
    >>> {k: v.tolist() for k, v in RepeatRatio(k=(2,)).per_user(lists).items()}
    {'repeat_ratio_at_2': [0.5], 'repeat_ratio_of_truth': [0.0]}
    """

    name: ClassVar[str] = "repeat_ratio"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return lists.listed_repeats[:, :k].sum(axis=1) / k

    def per_user(self, lists: RankedLists) -> dict[str, np.ndarray]:
        """See `PerUser.per_user`."""
        repeats = np.bincount(lists.truth_rows[lists.repeats], minlength=lists.n_users)
        with np.errstate(invalid="ignore"):
            of_truth = repeats / lists.n_relevant
        return {**super().per_user(lists), f"{self.name}_of_truth": of_truth}
