"""Scores as a history times a dense item-item matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.core.histories import Histories
from growthlab.scorers.contributions import strongest_contributions
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.scorers.sparse_arrays import times_dense


@dataclass(frozen=True)
class DenseItemWeights:
    """``score(u, j) = sum over u's items i of history(u, i) * weights[i, j]``, every pair stored.

    Any history can be scored, of a known customer or not; a history that reaches no item (empty, or
    of isolated items only) is a NaN row.
    """

    kind: ClassVar[str] = "dense_item_weights"
    schema: ClassVar[Schema] = {
        "weights": ArraySchema(dtypes=("float32",), shape=("n_items", "n_items")),
        **HistoryWeights.schema,
    }

    weights: np.ndarray  # (n_items, n_items) float32, row: item of the history, column: item scored
    history: HistoryWeights = field(default_factory=HistoryWeights)

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        history = self.history.matrix(histories)
        if items is None:
            scores = times_dense(history, self.weights)
        else:
            used = np.unique(history.indices)  # few for a single request
            scores = history[:, used] @ self.weights[np.ix_(used, items)]
        scores[history @ self._reach == 0] = np.nan
        return scores

    def similar(self, items: np.ndarray) -> np.ndarray:
        """The weights from each item (a code) to all items, ``(n, n_items)``; NaN row: no weights."""
        scores = self.weights[items].astype(np.float32)
        scores[self._reach[items] == 0] = np.nan
        return scores

    def because(self, histories: Histories, listed: np.ndarray) -> np.ndarray:
        """See `GivesReasons.because` and `strongest_contributions`."""
        history = self.history.matrix(histories)
        return strongest_contributions(history, listed, lambda i, j: self.weights[i, j])

    @cached_property
    def _reach(self) -> np.ndarray:
        return np.array([np.abs(row).sum() for row in self.weights], dtype=np.float32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The matrix and the history's weights."""
        return {"weights": self.weights, **self.history.to_arrays()}

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        return cls(arrays["weights"], HistoryWeights.from_arrays(arrays))
