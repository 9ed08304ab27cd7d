"""Micro recall: the recall over the relevant items of all users together."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import AtK, RankedLists


class RecallMicro(AtK):
    """All users' hits among the first k divided by all users' relevant items; in [0, 1].

    In recall each user has the same weight; here each relevant item has, as it has for revenue.

    Examples
    --------
    Two of the four relevant items of one customer are listed, none of the only one of the other: 2 / 5, where
    `Recall` has the mean of 1 / 2 and 0.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1], [0, 1]], [[0, 1, 2, 3], [2]])
    >>> hits, relevant = RecallMicro(k=(2,)).parts(lists)["recall_micro_at_2"]
    >>> hits.tolist(), relevant.tolist(), float(hits.sum() / relevant.sum())
    ([2.0, 0.0], [4.0, 1.0], 0.4)
    """

    name: ClassVar[str] = "recall_micro"

    def parts(self, lists: RankedLists) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """See `Pooled.parts`."""
        self.check(lists)
        taken = lists.n_relevant.astype(float)
        return {self.named(k): (lists.hits[:, :k].sum(axis=1).astype(float), taken) for k in self.k}
