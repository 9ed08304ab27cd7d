"""Micro recall: the recall over the relevant items of all users together."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import AtK, RankedLists


class RecallMicro(AtK):
    """All users' hits among the first k divided by all users' relevant items; in [0, 1].

    In recall each user has the same weight; here each relevant item has, as it has for revenue.
    """

    name: ClassVar[str] = "recall_micro"

    def parts(self, lists: RankedLists) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """See `Pooled.parts`."""
        self.check(lists)
        taken = lists.n_relevant.astype(float)
        return {self.named(k): (lists.hits[:, :k].sum(axis=1).astype(float), taken) for k in self.k}
