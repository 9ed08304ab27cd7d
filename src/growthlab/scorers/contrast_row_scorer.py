"""What a yes in one column changes in the prediction of another scorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.scorers.base import RowScorer
from growthlab.scorers.nested_scorers import (
    files_of_members,
    load_nested,
    nested_arrays,
    nested_schema,
)


@dataclass(frozen=True)
class ContrastRowScorer:
    """The prediction of `model` with 1 in the column `switch`, less that with 0 in it."""

    kind: ClassVar[str] = "contrast_row_scorer"
    schema: ClassVar[Schema] = {
        "switch": ArraySchema(dtypes=("text",)),
        **nested_schema("model"),
    }

    model: RowScorer
    switch: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the model reads, without the switch."""
        return tuple(name for name in self.model.columns if name != self.switch)

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``; see `RowScorer.predict`."""
        n = len(next(iter(table.values()))) if table else 0
        on, off = ({**table, self.switch: np.full(n, value)} for value in (1.0, 0.0))
        return self.model.predict(on) - self.model.predict(off)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The name of the switch, and the arrays of the model."""
        return {"switch": np.array(self.switch), **nested_arrays({"model": self.model})}

    def to_files(self) -> dict[str, bytes]:
        """The model's files."""
        return files_of_members({"model": self.model})

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        return cls(load_nested(arrays, files, "predict")["model"], str(arrays["switch"]))
