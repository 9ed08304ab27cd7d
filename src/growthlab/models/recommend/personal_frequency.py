"""The customer's own most frequent items: retail customers buy the same things again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.histories import Histories
from growthlab.models.base import ScoredRecommender
from growthlab.models.recommend.popularity import users_of_items
from growthlab.scorers import personal_frequency
from growthlab.training.options import FitOptions

ORDERS = ("frequency", "recency")


@dataclass(kw_only=True)
class PersonalFrequency(ScoredRecommender):
    """GP-TopFreq: own items by frequency, then all others by popularity (Li et al., TOIS 2023).

    An item's frequency is the number of the customer's baskets with it. `half_life_days` lets old
    baskets count less; ``by="recency"`` orders own items by the latest basket with them instead.
    Own items of equal weight are ordered by popularity, the number of distinct users.
    """

    personalised: ClassVar[bool] = True
    repeats_only: ClassVar[bool] = True  # tells apart own items only

    by: str = "frequency"
    half_life_days: float | None = None

    def __post_init__(self) -> None:
        if self.by not in ORDERS:
            raise ConfigError(f"by={self.by!r} is no order: {near_matches(self.by, ORDERS)}")
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise ConfigError(
                f"half_life_days must be positive, or null for no decay, got {self.half_life_days}"
            )
        if self.by == "recency" and self.half_life_days is not None:
            raise ConfigError(
                "half_life_days weighs frequencies: set by=frequency, or leave it null"
            )

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Learn the popularity; DataError for a half-life without timestamps."""
        if self.half_life_days is not None and not past.timed:
            raise DataError(
                f"personal_frequency with half_life_days={self.half_life_days:g} needs timestamps, "
                "this log has only an order of events: set half_life_days=null, or by=recency"
            )
        users = users_of_items(past)
        share = users / max(users.max(initial=0), 1)
        self.scorer_ = personal_frequency.PersonalFrequency(share, self.by, self.half_life_days)
        return self
