"""Capped recall: the hits as a share of those possible in a list of length k."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists


class RecallCapped(PerUserAtK):
    """Hits among the first k divided by min(k, relevant items); in [0, 1].

    Called recall in Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018.
    """

    name: ClassVar[str] = "recall_capped"

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        return lists.hits[:, :k].sum(axis=1) / np.clip(lists.n_relevant, 1, k)
