"""The most popular items of the latest days, the same for all customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import Histories
from growthlab.models.base import ScoredRecommender
from growthlab.scorers.history_weights import MICROSECONDS_A_DAY
from growthlab.scorers.popularity_scorer import PopularityScorer
from growthlab.training.fit_options import FitOptions


@dataclass(kw_only=True)
class PopularityRecent(ScoredRecommender):
    """An item's score is its number of events in the `days` up to the newest past event."""

    personalised: ClassVar[bool] = False

    days: float = 28

    def __post_init__(self) -> None:
        if not self.days > 0:
            raise ConfigError(f"days must be positive, got {self.days}")

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Count events an item in the window; DataError for a log without timestamps."""
        if not past.timed:
            raise DataError(
                "popularity_recent needs timestamps, this log has only an order of events: "
                "use model=recommend/popularity"
            )
        newest = past.times.max(initial=0)
        recent = past.items[past.times > newest - self.days * MICROSECONDS_A_DAY]
        counts = np.bincount(recent, minlength=past.n_items).astype(np.float32)
        self.scorer_ = PopularityScorer(counts)
        return self
