"""Capped recall: the hits as a share of those possible in a list of length k."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class RecallCapped(PerUserAtK):
    """Hits among the first k divided by min(k, relevant items); in [0, 1].

    Called recall in Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018.

    Examples
    --------
    Of three relevant items a list of two can hold two; it holds one: 1 / 2.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[1, 0]], [[1, 2, 4]])
    >>> RecallCapped(k=(2,)).per_user(lists)["recall_capped_at_2"].round(4).tolist()
    [0.5]
    """

    name: ClassVar[str] = "recall_capped"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return lists.hits[:, :k].sum(axis=1) / np.clip(lists.n_relevant, 1, k)
