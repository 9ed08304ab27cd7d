"""Scores as the cosine between the content of a history and of an item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.core.histories import Histories
from growthlab.scorers.contributions import strongest_contributions
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.scorers.sparse_arrays import (
    dense_product,
    sparse_from_arrays,
    sparse_schema,
    sparse_to_arrays,
)


@dataclass(frozen=True)
class ContentProfile:
    """``score(u, j) = cosine(sum over u's items i of history(u, i) * vectors[i], vectors[j])``.

    Items without a past event are scored like all others. An item without content scores 0; a
    history without content, or without items, is a NaN row.
    """

    kind: ClassVar[str] = "content_profile"
    schema: ClassVar[Schema] = {
        **sparse_schema("vectors", "n_items", "n_terms"),
        "source": ArraySchema(dtypes=("text",), optional=True),
        **HistoryWeights.schema,
    }

    vectors: csr_matrix  # (n_items, n_terms) float32, rows of length 1, or 0 without content
    history: HistoryWeights = field(default_factory=HistoryWeights)
    source: str = ""  # how the vectors were made

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        profiles = (self.history.matrix(histories) @ self.vectors).tocsr()
        lengths = np.sqrt(np.asarray(profiles.multiply(profiles).sum(axis=1)).ravel())
        profiles = diags(1 / np.where(lengths > 0, lengths, 1)) @ profiles
        scores = dense_product(profiles.tocsr().astype(np.float32), self._by_term, items)
        scores[lengths == 0] = np.nan
        return scores

    def similar(self, items: np.ndarray) -> np.ndarray:
        """The cosine of each item (a code) with all, ``(n, n_items)``; NaN rows: without content."""
        scores = dense_product(self.vectors[items], self._by_term)
        scores[np.diff(self.vectors.indptr)[items] == 0] = np.nan
        return scores

    def because(self, histories: Histories, listed: np.ndarray) -> np.ndarray:
        """See `GivesReasons.because` and `strongest_contributions`."""

        def cosine(i: np.ndarray, j: np.ndarray) -> np.ndarray:
            return np.asarray(self.vectors[i].multiply(self.vectors[j]).sum(axis=1)).ravel()

        return strongest_contributions(self.history.matrix(histories), listed, cosine)

    @cached_property
    def _by_term(self) -> csr_matrix:
        return self.vectors.T.tocsr()

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The parts of the vectors, their source, and the history's weights."""
        own = {**sparse_to_arrays("vectors", self.vectors), "source": np.array(self.source)}
        return {**own, **self.history.to_arrays()}

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        history = HistoryWeights.from_arrays(arrays)
        # bundles of an earlier release do not have it
        source = str(arrays.get("source", ""))
        return cls(sparse_from_arrays("vectors", arrays), history, source)
