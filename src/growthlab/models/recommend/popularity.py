"""The most popular items of the whole past, the same for all customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.histories import EVENT_CODE, Histories
from growthlab.models.base import ScoredRecommender
from growthlab.scorers import popularity_scorer as popularity
from growthlab.training.fit_options import FitOptions

COUNTED = ("customers", "events", "purchases")


@dataclass
class Popularity(ScoredRecommender):
    """TopPop: the score of an item is how often it was taken in the past.

    `counts` is what is counted: ``customers``, each once an item; ``events``, all that the model sees;
    or ``purchases``, the events of that type.
    """

    personalised: ClassVar[bool] = False

    counts: str = "customers"

    def __post_init__(self) -> None:
        if self.counts not in COUNTED:
            raise ConfigError(f"model.counts={self.counts}: {near_matches(self.counts, COUNTED)}")

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Count what the setting says, an item."""
        scores = users_of_items(past) if self.counts == "customers" else self._events(past)
        self.scorer_ = popularity.PopularityScorer(scores)
        return self

    def _events(self, past: Histories) -> np.ndarray:
        """Events of each item, float32; ConfigError where purchases are to be counted and there are none."""
        items = past.items
        if self.counts == "purchases":
            items = items[past.event_types == EVENT_CODE["purchase"]]
            if not len(items):
                raise ConfigError(
                    "model.counts=purchases, but the histories hold no purchase: add it to "
                    "task.history_events, or count events"
                )
        return np.bincount(items, minlength=past.n_items).astype(np.float32)


def users_of_items(past: Histories) -> np.ndarray:
    """Distinct users of each item, shape ``(n_items,)``, float32."""
    return np.asarray(past.matrix().sum(axis=0), dtype=np.float32).ravel()
