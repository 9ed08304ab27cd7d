"""Tied share: the share of targets that have the same score as another item."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import RankedLists


class TiedShare:
    """Share of the ranked targets of all users that are tied; NaN where no target could be ranked.

    A value above 0.01 is suspicious: ties usually come from saturated scores or an error.
    """

    name: ClassVar[str] = "tied_share"
    larger_is_better: ClassVar[bool] = False

    def overall(self, lists: RankedLists) -> dict[str, float]:
        """See `Overall.overall`."""
        ranked = np.isfinite(lists.truth_ranks)
        return {self.name: float(lists.truth_tied[ranked].mean()) if ranked.any() else np.nan}
