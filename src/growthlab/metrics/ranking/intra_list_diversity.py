"""Intra-list diversity: how different the items of one list are from each other."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.ranking.base import PerUserAtK, RankedLists
from growthlab.ranking.top_k import row_slices


class IntraListDiversity(PerUserAtK):
    """Mean over pairs of the first k of 1 - Jaccard similarity of category and attributes (ILD).

    In [0, 1]. Items without content are left out; NaN where fewer than two are left, and for a
    catalogue without content. Ziegler et al., WWW 2005.

    Examples
    --------
    Two teas and a mug: of three pairs the one of the teas is alike, (0 + 1 + 1) / 3.

    >>> from growthlab.metrics.by_hand import ranked_lists
    >>> lists = ranked_lists([[0, 1, 2]], [[]], category=["tea", "tea", "mug"])
    >>> IntraListDiversity(k=(3,)).per_user(lists)["intra_list_diversity_at_3"].round(4).tolist()
    [0.6667]
    """

    name: ClassVar[str] = "intra_list_diversity"
    needs_truth: ClassVar[bool] = False

    def at(self, lists: RankedLists, k: int) -> np.ndarray:
        """See `PerUserAtK.at`."""
        contents = lists.contents
        diversity = np.full(lists.n_users, np.nan)
        if not contents.shape[1] or k < 2:
            return diversity
        sizes = (contents >= 0).sum(axis=1)
        left, right = np.triu_indices(k, 1)
        for rows in row_slices(lists.n_users, len(left) * contents.shape[1]):
            listed = lists.items[rows, :k]
            known = (listed >= 0) & (sizes[listed] > 0)
            a, b = listed[:, left], listed[:, right]
            both = known[:, left] & known[:, right]
            shared = _shared(contents, a, b)
            unlike = np.where(both, 1 - shared / np.maximum(sizes[a] + sizes[b] - shared, 1), 0.0)
            n_pairs = both.sum(axis=1)
            diversity[rows] = np.divide(
                unlike.sum(axis=1), n_pairs, out=np.full(len(listed), np.nan), where=n_pairs > 0
            )
        return diversity


def _shared(contents: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The number of codes that the items of each pair have in common."""
    shared = np.zeros(left.shape, dtype=np.int64)
    for own in range(contents.shape[1]):
        code = contents[left, own][..., None]
        shared += ((contents[right] == code) & (code >= 0)).any(axis=-1)
    return shared
