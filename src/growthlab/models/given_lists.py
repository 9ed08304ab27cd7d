"""Lists that another tool made, as a recommender: they are ranked and evaluated like those of any model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.histories import Histories
from growthlab.training.fit_options import FitOptions


@dataclass(frozen=True)
class GivenLists:
    """The listed items of each customer, best first; a customer without a list cannot be scored.

    Items that are not listed cannot be scored, either.
    """

    stochastic: ClassVar[bool] = False

    items: Mapping[str, np.ndarray]  # user id -> raw item ids

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Nothing is learned."""
        return self

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """See `Recommender.score`: the length of the list at its first place, 1 at its last."""
        scores = np.full((histories.n_users, histories.n_items), -np.inf, dtype=np.float32)
        for row, user in enumerate(histories.user_ids):
            listed = self.items.get(str(user))
            if listed is None:
                scores[row] = np.nan
                continue
            codes = histories.catalogue.codes(listed)
            places = np.arange(len(codes), 0, -1, dtype=np.float32)
            scores[row, codes[codes >= 0]] = places[codes >= 0]
        return scores if items is None else scores[:, items]
