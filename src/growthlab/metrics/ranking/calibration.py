"""Calibration: whether a list holds categories in the shares in which the user took them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists

ALPHA = 0.01


class Calibration(PerUserAtK):
    """KL divergence from the categories of the past, p, to those of the first k, q; 0 is calibrated.

    The sum over categories of p ln(p / q'), q' = 0.99 q + 0.01 p, in nats; each distinct item counts
    once, one of several attributes for a part of each. NaN where nothing is known of the past's
    items or of the list's. Steck, Calibrated Recommendations, RecSys 2018.
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
        found = np.where(own[places] == cells, q[places], 0.0) if len(own) else np.zeros(len(p))
        terms = p * np.log(p / ((1 - ALPHA) * found + ALPHA * p))
        of = cells // n_kinds
        known = np.bincount(of, minlength=lists.n_users) > 0
        known &= np.bincount(own // n_kinds, minlength=lists.n_users) > 0
        divergence[known] = np.bincount(of, weights=terms, minlength=lists.n_users)[known]
        return divergence
