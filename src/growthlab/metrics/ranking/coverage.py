"""Coverage: the share of the catalogue that is in any list."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import OverallAtK, RankedLists, recommendation_counts


class Coverage(OverallAtK):
    """Distinct items in all users' first k divided by the whole catalogue; in [0, 1].

    Examples
    --------
    Two lists hold three of the four items.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1], [0, 2]], [[], []], popularity=[1, 1, 1, 1])
    >>> Coverage(k=(2,)).overall(lists)
    {'coverage_at_2': 0.75}
    """

    name: ClassVar[str] = "coverage"

    def of(self, lists: RankedLists, k: int) -> float:
        """See `OverallAtK.of`."""
        counts = recommendation_counts(lists, k)
        return float((counts > 0).mean()) if len(counts) else np.nan
