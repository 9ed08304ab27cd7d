"""Tied share: the share of targets that have the same score as another item."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import RankedLists


class TiedShare:
    """Share of the ranked targets of all users that are tied; NaN where no target could be ranked.

    A value above 0.01 is suspicious: ties usually come from saturated scores or an error.

    Examples
    --------
    One of two ranked targets has the score of another candidate.

    >>> from dataclasses import replace
    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1]], [[0, 1]])
    >>> tied = replace(lists, truth_ranks=np.array([1, 2.5]), truth_tied=np.array([False, True]))
    >>> TiedShare().overall(tied)
    {'tied_share': 0.5}
    """

    name: ClassVar[str] = "tied_share"
    larger_is_better: ClassVar[bool] = False

    def overall(self, lists: RankedLists) -> dict[str, float]:
        """See `Overall.overall`."""
        ranked = np.isfinite(lists.truth_ranks)
        return {self.name: float(lists.truth_tied[ranked].mean()) if ranked.any() else np.nan}
