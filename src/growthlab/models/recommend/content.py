"""Content-based recommendation: items that read like those of the history, new ones included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np

from growthlab.core.histories import Histories
from growthlab.features.term_content import ItemContent, TermContent
from growthlab.models.base import ScoredRecommender
from growthlab.scorers.content_profile import ContentProfile
from growthlab.scorers.dense_content_profile import DenseContentProfile
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.training.fit_options import FitOptions


@dataclass(kw_only=True)
class Content(ScoredRecommender):
    """Cosine between a decayed user profile and items, on vectors of their content.

    A user's profile is the sum of the vectors of the history's items (Pazzani & Billsus,
    "Content-Based Recommendation Systems", The Adaptive Web 2007), the older ones less by
    `step_decay` or `half_life_days`. `content` makes the vectors; it is fitted to the items known
    before the cutoff, sold or not.
    """

    personalised: ClassVar[bool] = True

    content: ItemContent = field(default_factory=TermContent)
    step_decay: float = 1.0
    half_life_days: float | None = None
    event_weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        self._history()

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Read the catalogue; DataError where it has no content in the fields that weigh."""
        history = self._history()
        history.require_times(past, "content")
        matrix, source = self.content.vectors(past.catalogue)
        profile = DenseContentProfile if isinstance(matrix, np.ndarray) else ContentProfile
        self.scorer_ = profile(matrix, history, source)
        return self

    def _history(self) -> HistoryWeights:
        return HistoryWeights.of(self.event_weights, self.step_decay, self.half_life_days)
