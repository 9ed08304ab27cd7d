"""A hurdle model: the probability of spending times the expected amount if so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import LARGEST, NUMBER, ArraySchema, Schema
from growthlab.scorers.base import RowScorer
from growthlab.scorers.nested_scorers import (
    files_of_members,
    load_nested,
    nested_arrays,
    nested_schema,
)

LOG_MOST = 700.0  # exp of more overflows


@dataclass(frozen=True)
class HurdleRowScorer:
    """``buys * smearing * exp(spends)``: `spends` predicts the logarithm of the amount.

    The logarithm is kept at `ceiling`, that of the largest amount of the fit.
    """

    kind: ClassVar[str] = "hurdle_row_scorer"
    schema: ClassVar[Schema] = {
        "smearing": ArraySchema(dtypes=NUMBER, low=0, high=LARGEST),
        "ceiling": ArraySchema(dtypes=NUMBER, low=-LARGEST, high=LOG_MOST),
        **nested_schema("buys", "spends"),
    }

    buys: RowScorer
    spends: RowScorer
    smearing: float
    ceiling: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that either part reads."""
        return tuple(dict.fromkeys((*self.buys.columns, *self.spends.columns)))

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``; see `RowScorer.predict`."""
        amount = np.exp(np.minimum(self.spends.predict(table), self.ceiling))
        return self.buys.predict(table) * self.smearing * amount

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The two numbers, and the arrays of both parts."""
        own = {"smearing": np.array(self.smearing), "ceiling": np.array(self.ceiling)}
        return {**own, **nested_arrays({"buys": self.buys, "spends": self.spends})}

    def to_files(self) -> dict[str, bytes]:
        """The files of both parts."""
        return files_of_members({"buys": self.buys, "spends": self.spends})

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        parts = load_nested(arrays, files, "predict")
        smearing, ceiling = float(arrays["smearing"]), float(arrays["ceiling"])
        return cls(parts["buys"], parts["spends"], smearing, ceiling)
