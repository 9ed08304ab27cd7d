"""Scores from the histories of similar users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags

from growthlab.core.array_schema import FLOAT, INDEX, MOST_NAMED, ArraySchema, Schema
from growthlab.core.histories import UNKNOWN, Histories
from growthlab.scorers.feature_weighting import FeatureWeighting
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.scorers.neighbourhood import MEASURES, Neighbourhood, Sources
from growthlab.scorers.sparse_arrays import (
    dense_product,
    sparse_from_arrays,
    sparse_schema,
    sparse_to_arrays,
)


@dataclass(frozen=True)
class UserNeighbours:
    """``score(u, j) = sum over the stored users v near u of similarity(u, v) * matrix[v, j]``.

    Any history can be compared, of a known customer or not; a known customer's stored row is never
    their own neighbour. An item that no neighbour has scores 0; a history without neighbours is a
    NaN row. The stored histories are personal data, and the arrays must be protected as such.
    """

    kind: ClassVar[str] = "user_neighbours"
    schema: ClassVar[Schema] = {
        **sparse_schema("matrix", "n_stored", "n_items"),
        "user_codes": ArraySchema(
            dtypes=("int32",), shape=("n_stored",), low=UNKNOWN, high=MOST_NAMED
        ),
        "keys": ArraySchema(dtypes=("uint64",), shape=("n_stored",)),
        **FeatureWeighting.schema,
        "idf": replace(FeatureWeighting.schema["idf"], shape=("n_items",)),  # the features: items
        "measure": ArraySchema(dtypes=("text",), values=MEASURES),
        "neighbours": ArraySchema(dtypes=INDEX, low=0, high=MOST_NAMED),
        "shrinkage": ArraySchema(dtypes=FLOAT, low=0),
        "asymmetry": ArraySchema(dtypes=FLOAT, low=0, high=2),
        "tversky": ArraySchema(dtypes=FLOAT, shape=(2,), low=0, high=2, optional=True),
        "normalize": ArraySchema(dtypes=("bool",)),
        **HistoryWeights.schema,
    }

    matrix: csr_matrix  # (n_stored, n_items) float32, weighted
    user_codes: np.ndarray  # (n_stored,) int32
    keys: np.ndarray  # (n_stored,) uint64, a hash of the items of each stored history
    weighting: FeatureWeighting
    neighbourhood: Neighbourhood
    normalize: bool = False
    history: HistoryWeights = field(default_factory=HistoryWeights)

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        near = self.neighbourhood.of(
            self.weighting(self.history.matrix(histories)),
            self._sources,
            own=self._own_rows(histories.user_codes),
            target_keys=np.zeros(histories.n_users, dtype=np.uint64),
        )
        total = np.asarray(near.sum(axis=1), dtype=np.float64).ravel()
        if self.normalize:
            near = (diags(1 / np.where(total > 0, total, 1)) @ near).tocsr().astype(np.float32)
        scores = dense_product(near, self.matrix, items)
        scores[total == 0] = np.nan
        return scores

    def _own_rows(self, codes: np.ndarray) -> np.ndarray:
        """The stored row of each user code, `UNKNOWN` where there is none."""
        row_of = np.full(self.user_codes.max(initial=UNKNOWN) + 2, UNKNOWN)
        row_of[self.user_codes] = np.arange(len(self.user_codes))
        row_of[UNKNOWN] = UNKNOWN  # the last entry, for codes of -1 and beyond the stored ones
        return row_of[np.minimum(codes, len(row_of) - 1)]

    @cached_property
    def _sources(self) -> Sources:
        return self.neighbourhood.sources(self.matrix, self.keys)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The stored histories, the history's weights, and the settings of the comparison."""
        near = self.neighbourhood
        return {
            **sparse_to_arrays("matrix", self.matrix),
            "user_codes": self.user_codes,
            "keys": self.keys,
            **self.weighting.to_arrays(),
            "measure": np.array(near.measure),
            "neighbours": np.array(near.neighbours or 0, dtype=np.int64),  # 0: all
            "shrinkage": np.array(near.shrinkage, dtype=np.float64),
            "asymmetry": np.array(near.asymmetry, dtype=np.float64),
            "tversky": np.array([near.tversky_source, near.tversky_target], dtype=np.float64),
            "normalize": np.array(self.normalize),
            **self.history.to_arrays(),
        }

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        near = Neighbourhood(
            str(arrays["measure"]),
            int(arrays["neighbours"]) or None,
            float(arrays["shrinkage"]),
            float(arrays["asymmetry"]),
            *np.asarray(arrays.get("tversky", (1.0, 1.0))).tolist(),  # not in earlier bundles
        )
        return cls(
            sparse_from_arrays("matrix", arrays),
            arrays["user_codes"],
            arrays["keys"],
            FeatureWeighting.from_arrays(arrays),
            near,
            bool(arrays["normalize"]),
            HistoryWeights.from_arrays(arrays),
        )
