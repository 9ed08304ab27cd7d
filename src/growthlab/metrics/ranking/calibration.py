"""Calibration: whether a list has the categories in the shares of the user's history."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists

ALPHA = 0.01


class Calibration(PerUserAtK):
    """KL divergence between the categories of the history, p, and of the first k, q; 0 is calibrated.

    The sum over categories of p ln(p / q'), q' = 0.99 q + 0.01 p, in nats. Each distinct item counts
    once, split evenly over its attributes where it has several. NaN where the items of the history
    or of the list have no content. Steck, Calibrated Recommendations, RecSys 2018.

    Examples
    --------
    The history is half tea and half mugs, the list only tea, so q' is 0.995 and 0.005:
    0.5 ln(0.5 / 0.995) + 0.5 ln(0.5 / 0.005).

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> own = dict(histories=[[0, 1]], category=["tea", "mug", "tea"])
    >>> lists = ranked_lists([[0, 2]], [[]], **own)
    >>> Calibration(k=(2,)).per_user(lists)["calibration_at_2"].round(4).tolist()
    [1.9585]
    """

    name: ClassVar[str] = "calibration"
    larger_is_better: ClassVar[bool] = False
    needs_truth: ClassVar[bool] = False

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        n_kinds = int(lists.categories.max(initial=-1)) + 1
        divergence = np.full(lists.n_users, np.nan)
        if not n_kinds:
            return divergence
        cells, p = lists.past_categories
        listed = lists.items[:, :k]
        rows = np.broadcast_to(np.arange(lists.n_users)[:, None], listed.shape)
        own, q = lists.shares_of_categories(rows[listed >= 0], listed[listed >= 0])
        places = np.minimum(np.searchsorted(own, cells), max(len(own) - 1, 0))
        matched = np.where(own[places] == cells, q[places], 0.0) if len(own) else np.zeros(len(p))
        terms = p * np.log(p / ((1 - ALPHA) * matched + ALPHA * p))
        users = cells // n_kinds
        known = np.bincount(users, minlength=lists.n_users) > 0
        known &= np.bincount(own // n_kinds, minlength=lists.n_users) > 0
        divergence[known] = np.bincount(users, weights=terms, minlength=lists.n_users)[known]
        return divergence
