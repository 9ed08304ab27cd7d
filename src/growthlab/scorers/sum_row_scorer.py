"""A weighted sum of the numbers that other scorers of rows predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import FLOAT, LARGEST, ArraySchema, Schema
from growthlab.core.errors import BundleError
from growthlab.scorers.base import RowScorer
from growthlab.scorers.nested_scorers import (
    files_of_members,
    load_nested,
    nested_arrays,
    nested_schema,
)


@dataclass(frozen=True)
class SumRowScorer:
    """``weights[0] * parts[0] + weights[1] * parts[1] + ...``."""

    kind: ClassVar[str] = "sum_row_scorer"
    schema: ClassVar[Schema] = {
        "weights": ArraySchema(
            dtypes=FLOAT, shape=("n_members",), low=-LARGEST, high=LARGEST, nonempty=True
        ),
        **nested_schema(),
    }

    parts: tuple[RowScorer, ...]
    weights: np.ndarray  # (n_parts,) float64

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that any part reads."""
        return tuple(dict.fromkeys(c for part in self.parts for c in part.columns))

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``; see `RowScorer.predict`."""
        pairs = zip(self.weights, self.parts, strict=True)
        return np.sum([weight * part.predict(table) for weight, part in pairs], axis=0)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The weights, and the arrays of the parts."""
        return {"weights": self.weights, **nested_arrays(self._members)}

    def to_files(self) -> dict[str, bytes]:
        """The files of the parts."""
        return files_of_members(self._members)

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        members = load_nested(arrays, files, "predict")
        wanted = [f"part_{i}" for i in range(len(members))]
        if sorted(members) != sorted(wanted):
            raise BundleError(
                f"the parts of a sum are named part_0 and so on, got {sorted(members)}"
            )
        return cls(tuple(members[name] for name in wanted), arrays["weights"])

    @property
    def _members(self) -> dict[str, RowScorer]:
        return {f"part_{i}": part for i, part in enumerate(self.parts)}
