"""The most popular items of the whole past, the same for all customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.histories import Histories
from growthlab.models.base import ScoredRecommender
from growthlab.scorers import popularity_scorer as popularity
from growthlab.training.fit_options import FitOptions


@dataclass
class Popularity(ScoredRecommender):
    """TopPop: the score of an item is the number of distinct past users who have it."""

    personalised: ClassVar[bool] = False

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Count users an item."""
        self.scorer_ = popularity.PopularityScorer(users_of_items(past))
        return self


def users_of_items(past: Histories) -> np.ndarray:
    """Distinct users of each item, shape ``(n_items,)``, float32."""
    return np.asarray(past.matrix().sum(axis=0), dtype=np.float32).ravel()
