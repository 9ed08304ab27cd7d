"""LightGBM trees, stored in its text format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.core.errors import BundleError
from growthlab.scorers.lightgbm_text import checked_tree_text

if TYPE_CHECKING:
    from lightgbm import Booster

FILE = "model.txt"


@dataclass(frozen=True)
class LightGBMRowScorer:
    """A boosted model; `levels` are the values of each text column, in the order of their codes.

    A value that is not among them is as good as not known.
    """

    kind: ClassVar[str] = "lightgbm_row_scorer"
    schema: ClassVar[Schema] = {
        "columns": ArraySchema(dtypes=("text",), shape=("n_columns",), nonempty=True),
        "levels_*": ArraySchema(dtypes=("text",), shape=("",)),
    }

    columns: tuple[str, ...]
    text: str = field(repr=False)
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def booster(self) -> Booster:
        """The model read from its text."""
        from lightgbm import Booster

        return Booster(model_str=self.text)

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``; see `RowScorer.predict`."""
        matrix = np.column_stack([self._numbers(name, table[name]) for name in self.columns])
        if not len(matrix):
            return np.zeros(0)
        return np.asarray(self.booster.predict(matrix, num_threads=1), dtype=np.float64)

    def _numbers(self, name: str, values: np.ndarray) -> np.ndarray:
        """A column as the trees read it: text as the code of its level."""
        if name not in self.levels:
            return np.asarray(values, dtype=np.float64)
        codes = {level: float(code) for code, level in enumerate(self.levels[name])}
        return np.array([codes.get(v, np.nan) for v in np.asarray(values, dtype=str).tolist()])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The order of the columns, and the levels of the text columns."""
        levels = {f"levels_{n}": np.array(v, dtype=str) for n, v in self.levels.items()}
        return {"columns": np.array(self.columns, dtype=str), **levels}

    def to_files(self) -> dict[str, bytes]:
        """The trees."""
        return {FILE: self.text.encode()}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        columns = tuple(arrays["columns"].tolist())
        unknown = {n.removeprefix("levels_") for n in arrays if n != "columns"} - set(columns)
        if unknown:
            raise BundleError(f"the trees do not read the column {min(unknown)[:40]!r}")
        levels = {n: arrays[f"levels_{n}"] for n in columns if f"levels_{n}" in arrays}
        texts = {n: tuple(values.tolist()) for n, values in levels.items()}
        return cls(columns, checked_tree_text(files[FILE], len(columns)), texts)
