"""Scores from stored factors of users and items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.core.histories import Histories
from growthlab.scorers.cosine import cosines, row_lengths
from growthlab.scorers.onnx_pairs import known_rows


@dataclass(frozen=True)
class UserFactors:
    """``score(u, j) = user_factors[u] . item_factors[j] + item_bias[j]`` for the users of the fit.

    The history is ignored: a user without events in the fit is a NaN row. The users' factors are
    personal data, and the arrays must be protected as such.
    """

    kind: ClassVar[str] = "user_factors"
    schema: ClassVar[Schema] = {
        "known": ArraySchema(dtypes=("bool",), shape=("n_fitted_users",)),
        "user_factors": ArraySchema(dtypes=("float32",), shape=("n_fitted_users", "width")),
        "item_factors": ArraySchema(dtypes=("float32",), shape=("n_items", "width")),
        "item_bias": ArraySchema(dtypes=("float32",), shape=("n_items",)),
    }

    known: np.ndarray  # (n_users of the fit,) bool: has events
    user_factors: np.ndarray  # (n_users of the fit, width) float32
    item_factors: np.ndarray  # (n_items, width) float32
    item_bias: np.ndarray  # (n_items,) float32

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        item_codes = slice(None) if items is None else np.asarray(items, dtype=np.int64)
        factors, bias = self.item_factors[item_codes], self.item_bias[item_codes]
        scores = np.full((histories.n_users, len(bias)), np.nan, dtype=np.float32)
        rows = known_rows(histories.user_codes, self.known)
        scores[rows] = self.user_factors[histories.user_codes[rows]] @ factors.T + bias
        return scores

    def embed(self, histories: Histories) -> np.ndarray:
        """The users' factors and a 1, whose product with `item_vectors` is the score; NaN: unknown."""
        vectors = np.full((histories.n_users, self.item_factors.shape[1] + 1), np.nan, np.float32)
        rows = known_rows(histories.user_codes, self.known)
        vectors[rows, :-1] = self.user_factors[histories.user_codes[rows]]
        vectors[rows, -1] = 1
        return vectors

    def item_vectors(self) -> np.ndarray:
        """The items' factors, their bias last, shape ``(n_items, width + 1)``."""
        return np.column_stack([self.item_factors, self.item_bias])

    def similar(self, items: np.ndarray) -> np.ndarray:
        """The cosine of each item's factors with all, ``(n, n_items)``; NaN rows: it has none."""
        return cosines(self.item_factors, items, self._lengths)

    @cached_property
    def _lengths(self) -> np.ndarray:
        return row_lengths(self.item_factors)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All factors, those of the users included."""
        return {
            "known": self.known,
            "user_factors": self.user_factors,
            "item_factors": self.item_factors,
            "item_bias": self.item_bias,
        }

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        names = ("known", "user_factors", "item_factors", "item_bias")
        return cls(*(arrays[name] for name in names))
