"""Users without targets: the number of users whom accuracy metrics leave out."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import RankedLists


class UsersWithoutTargets:
    """Number of users without a relevant item; only means of accuracy leave them out.

    Examples
    --------
    The second of two customers bought nothing in the window.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0], [1]], [[0], []])
    >>> UsersWithoutTargets().overall(lists)
    {'users_without_targets': 1.0}
    """

    name: ClassVar[str] = "users_without_targets"
    larger_is_better: ClassVar[bool] = False

    def overall(self, lists: RankedLists) -> dict[str, float]:
        """See `Overall.overall`."""
        n_relevant = np.bincount(lists.clusters, weights=lists.n_relevant)
        return {self.name: float((n_relevant == 0).sum())}
