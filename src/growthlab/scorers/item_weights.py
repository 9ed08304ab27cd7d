"""Scores as a history times an item-item matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.array_schema import Schema
from growthlab.core.histories import Histories
from growthlab.scorers.contributions import strongest_contributions
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.scorers.sparse_arrays import (
    dense_product,
    entries,
    sparse_from_arrays,
    sparse_schema,
    sparse_to_arrays,
)


@dataclass(frozen=True)
class ItemWeights:
    """``score(u, j) = sum over u's items i of history(u, i) * weights[i, j]``.

    Any history is scored, of a known customer or not. An item that no weight reaches has the score
    0; a history from which no item is reached (empty, or of isolated items) is a NaN row.
    """

    kind: ClassVar[str] = "item_weights"
    schema: ClassVar[Schema] = {
        **sparse_schema("weights", "n_items", "n_items"),
        **HistoryWeights.schema,
    }

    weights: csr_matrix  # (n_items, n_items) float32, row: item of the history, column: item scored
    history: HistoryWeights = field(default_factory=HistoryWeights)

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        history = self.history.matrix(histories)
        scores = dense_product(history, self.weights, items)
        scores[history @ self._reach == 0] = np.nan
        return scores

    def similar(self, items: np.ndarray) -> np.ndarray:
        """The weights from each item (a code) to all items, ``(n, n_items)``; NaN row: no weights."""
        scores = self.weights[items].toarray()
        scores[self._reach[items] == 0] = np.nan
        return scores

    def because(self, histories: Histories, listed: np.ndarray) -> np.ndarray:
        """See `GivesReasons.because` and `strongest_contributions`."""
        return strongest_contributions(
            self.history.matrix(histories), listed, partial(entries, self.weights)
        )

    @cached_property
    def _reach(self) -> np.ndarray:
        return np.asarray(abs(self.weights).sum(axis=1)).ravel()

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The matrix's parts and the history's weights."""
        return {**sparse_to_arrays("weights", self.weights), **self.history.to_arrays()}

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        return cls(sparse_from_arrays("weights", arrays), HistoryWeights.from_arrays(arrays))
