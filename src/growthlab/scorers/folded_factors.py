"""Scores from stored item factors and user factors computed from the history on request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import FLOAT, ArraySchema, Schema
from growthlab.core.histories import Histories
from growthlab.scorers.cosine import cosines, row_lengths
from growthlab.scorers.ridge import DiagonalAxes, Ridge


@dataclass(frozen=True)
class FoldedFactors:
    """``score(u, j) = w(u) . item_factors[j]``, where w solves `ridge` for the user's history.

    Any history can be scored, of a known customer or not; no user factors are stored. A history
    that is empty, or holds no item with factors (new items have none), is a NaN row.
    """

    kind: ClassVar[str] = "folded_factors"
    schema: ClassVar[Schema] = {
        "item_factors": ArraySchema(dtypes=("float32",), shape=("n_items", "width")),
        "l2": ArraySchema(dtypes=FLOAT, low=1e-12),
        "unseen": ArraySchema(dtypes=FLOAT, low=0),
        "frequency": ArraySchema(dtypes=FLOAT, low=0, high=1),
    }

    item_factors: np.ndarray  # (n_items, width) float32
    ridge: Ridge

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        factors = self.item_factors if items is None else self.item_factors[items]
        return self.embed(histories) @ factors.T

    def embed(self, histories: Histories) -> np.ndarray:
        """The users' factors, whose product with `item_vectors` is the score; NaN if no history."""
        factors = self.ridge.solve(histories.matrix(), self.item_factors, self._diagonal)
        factors[~factors.any(axis=1)] = np.nan  # no item, or none that has factors
        return factors

    @cached_property
    def _diagonal(self) -> DiagonalAxes:
        return self.ridge.diagonalise(self.item_factors)

    def item_vectors(self) -> np.ndarray:
        """The items' factors, shape ``(n_items, width)``."""
        return self.item_factors

    def similar(self, items: np.ndarray) -> np.ndarray:
        """The cosine of each item's factors with all, ``(n, n_items)``; NaN rows: it has none."""
        return cosines(self.item_factors, items, self._lengths)

    @cached_property
    def _lengths(self) -> np.ndarray:
        return row_lengths(self.item_factors)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The items' factors and what the solve needs."""
        return {
            "item_factors": self.item_factors,
            "l2": np.array(self.ridge.l2, dtype=np.float64),
            "unseen": np.array(self.ridge.unseen, dtype=np.float64),
            "frequency": np.array(self.ridge.frequency, dtype=np.float64),
        }

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        ridge = Ridge(
            l2=float(arrays["l2"]),
            unseen=float(arrays["unseen"]),
            frequency=float(arrays["frequency"]),
        )
        return cls(arrays["item_factors"], ridge)
