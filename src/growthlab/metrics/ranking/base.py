"""What every ranking metric is computed from: the lists, the truth and the past's popularity; no metric knows a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from growthlab.core.histories import Histories


@dataclass(frozen=True)
class RankedLists:
    """Best-first lists and what the same users really took.

    Beyond the end of a short list `items` holds -1. The truth is in CSR form, one distinct item a user;
    a relevant item outside the catalogue has the code -1: it can never be hit, and counts in every
    denominator. A user whose slice of the truth is empty is left out of accuracy means only.
    """

    user_ids: np.ndarray  # (n_users,) str
    items: np.ndarray  # (n_users, k) int32
    scores: np.ndarray  # (n_users, k) float32
    truth_offsets: np.ndarray  # (n_users + 1,) int64
    truth_items: np.ndarray  # (n_truth,) int32
    truth_ranks: np.ndarray  # (n_truth,) float64 by the median rule, inf where it cannot be ranked
    truth_tied: np.ndarray  # (n_truth,) bool: another candidate has the same score
    fallback: np.ndarray  # (n_users,) bool: the model could not score the user
    histories: Histories  # the same users' past
    popularity: np.ndarray  # (n_items,) distinct past users of each item
    n_past_users: int

    @property
    def n_users(self) -> int:
        """How many users were given a list."""
        return len(self.user_ids)

    @property
    def n_relevant(self) -> np.ndarray:
        """Relevant items a user, cold ones included, shape ``(n_users,)``."""
        return np.diff(self.truth_offsets)

    @property
    def truth_rows(self) -> np.ndarray:
        """The user row of each relevant item, shape ``(n_truth,)``."""
        return np.repeat(np.arange(self.n_users), self.n_relevant)

    @property
    def hits(self) -> np.ndarray:
        """Where the lists hold a relevant item, shape ``(n_users, k)``, bool."""
        n_items = len(self.popularity)
        known = self.truth_items >= 0
        relevant = np.sort(self.truth_rows[known] * n_items + self.truth_items[known])
        listed = np.arange(self.n_users)[:, None] * n_items + self.items
        if not len(relevant):
            return np.zeros(self.items.shape, dtype=bool)
        places = np.minimum(np.searchsorted(relevant, listed), len(relevant) - 1)
        return (relevant[places] == listed) & (self.items >= 0)

    def with_truth(self, kept: np.ndarray) -> Self:
        """The same lists against a part of the truth (`kept`: bool, one a relevant item)."""
        counts = np.bincount(self.truth_rows[kept], minlength=self.n_users)
        return replace(
            self,
            truth_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            truth_items=self.truth_items[kept],
            truth_ranks=self.truth_ranks[kept],
            truth_tied=self.truth_tied[kept],
        )
