"""Entropy: how evenly the lists are spread over the catalogue, in nats."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import OverallAtK, RankedLists, recommendation_counts


class Entropy(OverallAtK):
    """Shannon entropy of the items' shares of all recommendations, in nats; NaN without lists.

    0 if all lists hold one item; ln(n_items) if every item is listed equally often.

    Examples
    --------
    Item 0 has a half of all recommendations, two others a quarter each: ln(2) / 2 + 2 ln(4) / 4.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1], [0, 2]], [[], []])
    >>> round(Entropy(k=(2,)).overall(lists)["entropy_at_2"], 4)
    1.0397
    """

    name: ClassVar[str] = "entropy"

    def of(self, lists: RankedLists, k: int) -> float:
        """See `OverallAtK.of`."""
        counts = recommendation_counts(lists, k)
        share = counts[counts > 0] / max(counts.sum(), 1)
        return float(-(share * np.log(share)).sum()) if len(share) else np.nan
