"""Short list rate: the share of users whose list has fewer items than requested."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import OverallAtK, RankedLists


class ShortListRate(OverallAtK):
    """Share of users with fewer than k items in the list; in [0, 1], NaN without users."""

    name: ClassVar[str] = "short_list_rate"
    larger_is_better: ClassVar[bool] = False

    def of(self, lists: RankedLists, k: int) -> float:
        """See `OverallAtK.of`."""
        return float((lists.items[:, k - 1] < 0).mean()) if lists.n_users else np.nan
