"""Scores that rank a customer's own items first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.core.histories import Histories
from growthlab.scorers.history_weights import HistoryWeights, baskets_since, once_a_basket

FLOOR = 1e-9  # the lowest score of an own item; smaller decayed weights are raised to it
NUDGE = 1e-4  # popularity orders own items of equal weight; counts below 10,000 never cross


@dataclass(frozen=True)
class PersonalFrequencyScorer:
    """Own items by frequency or recency in the history; below them all others by popularity.

    By ``frequency`` an own item scores the number of baskets with it, weighted by `history`; by
    ``recency`` it scores ``1 / (1 + baskets since)``. Any history can be scored; an empty one is a
    NaN row.
    """

    kind: ClassVar[str] = "personal_frequency"
    schema: ClassVar[Schema] = {
        "popularity": ArraySchema(dtypes=("float32",), shape=("n_items",), low=0, high=1),
        "by": ArraySchema(dtypes=("text",), values=("frequency", "recency")),
        **HistoryWeights.schema,
    }

    popularity: np.ndarray  # (n_items,) float32 in 0 ... 1
    by: str = "frequency"
    history: HistoryWeights = field(default_factory=HistoryWeights)

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        columns = slice(None) if items is None else items
        popularity = self.popularity[columns]
        scores = np.tile(np.float32(FLOOR / 2) * popularity, (histories.n_users, 1))
        own = self._own(histories)[:, columns].tocoo()
        nudged = np.maximum(own.data, FLOOR) * (1 + NUDGE * popularity[own.col])
        scores[own.row, own.col] = nudged
        scores[histories.lengths == 0] = np.nan
        return scores

    def _own(self, histories: Histories) -> csr_matrix:
        if self.by == "recency":
            weights = 1 / (1 + baskets_since(histories))
            newest = _newest_of_each_pair(histories)
            return histories.where(newest).matrix(weights[newest])
        distinct = once_a_basket(histories)
        return distinct.matrix(self.history.events(distinct))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The popularity, and how own items are ordered."""
        return {
            "popularity": self.popularity,
            "by": np.array(self.by),
            **self.history.to_arrays(),
        }

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        history = HistoryWeights.from_arrays(arrays)
        return cls(arrays["popularity"], str(arrays["by"]), history)


def _newest_of_each_pair(histories: Histories) -> np.ndarray:
    """The last event of each user and item, bool, one an event: events are stored oldest first."""
    pairs = histories.rows * histories.n_items + histories.items
    _, from_end = np.unique(pairs[::-1], return_index=True)
    newest = np.zeros(histories.n_events, dtype=bool)
    newest[histories.n_events - 1 - from_end] = True
    return newest
