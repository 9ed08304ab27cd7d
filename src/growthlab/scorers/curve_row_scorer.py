"""Predictions from one column: a constant, a line, or a curve through knots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import FLOAT, LARGEST, NUMBER, ArraySchema, Schema


@dataclass(frozen=True)
class CurveRowScorer:
    """A piecewise linear curve of one column, constant before its first knot.

    Beyond the last knot it goes on with the slope `tail` (0: constant). `missing` is the answer
    where the column is NaN.
    """

    kind: ClassVar[str] = "curve_row_scorer"
    schema: ClassVar[Schema] = {
        "column": ArraySchema(dtypes=("text",)),
        "knots": ArraySchema(dtypes=FLOAT, shape=("n_knots",), order="increasing", nonempty=True),
        "values": ArraySchema(dtypes=FLOAT, shape=("n_knots",)),
        "missing": ArraySchema(dtypes=NUMBER, low=-LARGEST, high=LARGEST),
        "tail": ArraySchema(dtypes=NUMBER, low=-LARGEST, high=LARGEST),
    }

    column: str
    knots: np.ndarray  # (n_knots,) increasing
    values: np.ndarray  # (n_knots,)
    missing: float
    tail: float = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``; see `RowScorer.predict`."""
        x = np.asarray(table[self.column], dtype=np.float64)
        beyond = np.maximum(x - self.knots[-1], 0.0)
        curve = np.interp(x, self.knots, self.values) + self.tail * beyond
        return np.where(np.isnan(x), self.missing, curve)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The column's name, the knots and the values outside them."""
        return {
            "column": np.array(self.column),
            "knots": self.knots,
            "values": self.values,
            "missing": np.array(self.missing),
            "tail": np.array(self.tail),
        }

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        return cls(
            str(arrays["column"]),
            arrays["knots"],
            arrays["values"],
            float(arrays["missing"]),
            float(arrays["tail"]),
        )
