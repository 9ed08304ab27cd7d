"""The customer's own most frequent items: retail customers buy the same things again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.histories import Histories
from growthlab.models.base import ScoredRecommender
from growthlab.models.recommend.popularity import users_of_items
from growthlab.scorers import personal_frequency_scorer as personal_frequency
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.training.fit_options import FitOptions

ORDERS = ("frequency", "recency")


@dataclass(kw_only=True)
class PersonalFrequency(ScoredRecommender):
    """GP-TopFreq: own items by frequency, then all others by popularity (Li et al., TOIS 2023).

    An item's frequency is the number of the customer's baskets with it; `step_decay` and
    `half_life_days` let old baskets count less. ``by="recency"`` orders own items by the latest
    basket with them instead. Own items of equal weight are ordered by popularity, the number of
    distinct users.
    """

    personalised: ClassVar[bool] = True
    repeats_only: ClassVar[bool] = True  # distinguishes own items only

    by: str = "frequency"
    step_decay: float = 1.0
    half_life_days: float | None = None

    def __post_init__(self) -> None:
        self._history()
        if self.by not in ORDERS:
            raise ConfigError(f"by={self.by!r} is no order: {near_matches(self.by, ORDERS)}")
        if self.by == "recency" and not self._history().constant:
            raise ConfigError(
                "step_decay and half_life_days weigh frequencies: set by=frequency, or neither"
            )

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Learn the popularity; DataError for a half-life without timestamps."""
        history = self._history()
        history.require_times(past, "personal_frequency")
        users = users_of_items(past)
        share = users / max(users.max(initial=0), 1)
        self.scorer_ = personal_frequency.PersonalFrequencyScorer(share, self.by, history)
        return self

    def _history(self) -> HistoryWeights:
        return HistoryWeights(step_decay=self.step_decay, half_life_days=self.half_life_days)
