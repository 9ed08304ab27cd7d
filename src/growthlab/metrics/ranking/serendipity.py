"""Serendipity: hits that a list by popularity would not have ranked as high."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class Serendipity(PerUserAtK):
    """Mean over the first k ranks of max(p - p_any, 0) at a hit, else 0; in [0, 1].

    With n items, p = (n + 1 - rank) / n, and p_any is the same for the item's dense rank in the
    order of popularity (equally popular items share a rank); 0 for a cold item. As in RecTools.

    Examples
    --------
    The first item of the list is a hit, and the least popular of four: (4 + 1 - 1) / 4 for its rank less
    (4 + 1 - 4) / 4 for its popularity, divided by k.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[3, 0]], [[3]], popularity=[4, 3, 2, 1])
    >>> Serendipity(k=(2,)).per_user(lists)["serendipity_at_2"].round(4).tolist()
    [0.375]
    """

    name: ClassVar[str] = "serendipity"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        n_items = len(lists.popularity)
        counts, level = np.unique(lists.popularity, return_inverse=True)
        popular = np.where(lists.popularity > 0, (n_items + 1 - (len(counts) - level)) / n_items, 0)
        own = (n_items - np.arange(k)) / max(n_items, 1)
        gain = np.zeros((lists.n_users, k))
        rows, places = np.nonzero(lists.hits[:, :k])
        gain[rows, places] = own[places] - popular[lists.items[rows, places]]
        return np.maximum(gain, 0).sum(axis=1) / k
