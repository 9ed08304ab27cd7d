"""A random list for every user: the baseline of all recommenders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from growthlab.core.histories import Histories
from growthlab.core.seeding import hash_ids
from growthlab.models.base import ScoredRecommender
from growthlab.scorers.random_order import RandomOrder
from growthlab.training.fit_options import FitOptions


@dataclass
class Random(ScoredRecommender):
    """A hash of the seed and the raw ids: the same seed and ids always give the same list."""

    stochastic: ClassVar[bool] = True
    personalised: ClassVar[bool] = False

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Remember the catalogue and the seed."""
        self.scorer_ = RandomOrder(options.seed, hash_ids(past.catalogue.item_ids))
        return self
