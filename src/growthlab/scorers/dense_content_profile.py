"""Scores as the cosine between a history and an item, on dense vectors of content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.core.histories import Histories
from growthlab.scorers.contributions import strongest_contributions
from growthlab.scorers.history_weights import HistoryWeights


@dataclass(frozen=True)
class DenseContentProfile:
    """`ContentProfile` on dense vectors of a few hundred numbers, as from a matrix decomposition."""

    kind: ClassVar[str] = "dense_content_profile"
    schema: ClassVar[Schema] = {
        "vectors": ArraySchema(dtypes=("float32",), shape=("n_items", "width")),
        "source": ArraySchema(dtypes=("text",)),
        **HistoryWeights.schema,
    }

    vectors: np.ndarray  # (n_items, n) float32, rows of length 1, or 0 without content
    history: HistoryWeights = field(default_factory=HistoryWeights)
    source: str = ""  # how the vectors were made

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        profiles = self.history.matrix(histories) @ self.vectors
        lengths = np.linalg.norm(profiles, axis=1, keepdims=True)
        profiles = (profiles / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        scores = profiles @ (self.vectors if items is None else self.vectors[items]).T
        scores[lengths.ravel() == 0] = np.nan
        return scores

    def similar(self, items: np.ndarray) -> np.ndarray:
        """The cosine of each item (a code) with all, ``(n, n_items)``; NaN rows: without content."""
        scores = self.vectors[items] @ self.vectors.T
        scores[~self.vectors[items].any(axis=1)] = np.nan
        return scores

    def because(self, histories: Histories, listed: np.ndarray) -> np.ndarray:
        """See `GivesReasons.because` and `strongest_contributions`."""
        history = self.history.matrix(histories)
        return strongest_contributions(
            history, listed, lambda i, j: (self.vectors[i] * self.vectors[j]).sum(1)
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The vectors, their source, and the history's weights."""
        own = {"vectors": self.vectors, "source": np.array(self.source)}
        return {**own, **self.history.to_arrays()}

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        history = HistoryWeights.from_arrays(arrays)
        return cls(arrays["vectors"], history, str(arrays["source"]))
