"""One score an item, the same for all customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.core.histories import Histories


@dataclass(frozen=True)
class PopularityScorer:
    """``score(u, j) = item_scores[j]``, including for empty histories."""

    kind: ClassVar[str] = "popularity"
    schema: ClassVar[Schema] = {
        "item_scores": ArraySchema(dtypes=("float32",), shape=("n_items",)),
    }

    item_scores: np.ndarray  # (n_items,) float32

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        row = self.item_scores if items is None else self.item_scores[items]
        return np.tile(row, (histories.n_users, 1))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The items' scores."""
        return {"item_scores": self.item_scores}

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        return cls(arrays["item_scores"])
