"""What each of several actions changes, and what the best of them brings."""

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

AMOUNTS = ArraySchema(dtypes=FLOAT, shape=("n_members",), low=-LARGEST, high=LARGEST)


@dataclass(frozen=True)
class ArmsRowScorer:
    """A scorer of the effect of each arm over the `control`, with costs; see `ComparesArms`.

    `worth` is what a unit of the outcome brings; `average` are the effects on average.
    """

    kind: ClassVar[str] = "arms_row_scorer"
    schema: ClassVar[Schema] = {
        "arms": ArraySchema(dtypes=("text",), shape=("n_members",)),
        "control": ArraySchema(dtypes=("text",)),
        "cost": ArraySchema(dtypes=FLOAT, shape=("n_members",), low=0, high=LARGEST),
        "average": AMOUNTS,
        "worth": ArraySchema(dtypes=FLOAT, low=0, high=LARGEST),
        **nested_schema(),
    }

    parts: tuple[RowScorer, ...]
    arms: tuple[str, ...]
    control: str
    cost: np.ndarray  # (n_arms,) float64
    average: np.ndarray  # (n_arms,) float64
    worth: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that any part reads."""
        return tuple(dict.fromkeys(c for part in self.parts for c in part.columns))

    def effects(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """See `ComparesArms.effects`."""
        return np.column_stack([part.predict(table) for part in self.parts])

    def net_values(self, effects: np.ndarray) -> np.ndarray:
        """See `ComparesArms.net_values`."""
        return np.asarray(self.worth * effects - self.cost)

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the best arm brings less its cost, 0 where none is worth it, shape ``(n,)``."""
        return np.asarray(self.net_values(self.effects(table)).max(axis=1).clip(min=0.0))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arms with their numbers, and the arrays of the parts."""
        own = {
            "arms": np.array(self.arms),
            "control": np.array(self.control),
            "cost": self.cost,
            "average": self.average,
            "worth": np.array(self.worth, dtype=np.float64),
        }
        return {**own, **nested_arrays(self._members)}

    def to_files(self) -> dict[str, bytes]:
        """The files of the parts."""
        return files_of_members(self._members)

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        members = load_nested(arrays, files, "predict")
        arms = tuple(arrays["arms"].tolist())
        wanted = [f"part_{i}" for i in range(len(arms))]
        if sorted(members) != sorted(wanted):
            raise BundleError(f"{len(arms)} arms need as many parts, got {sorted(members)}")
        return cls(
            tuple(members[name] for name in wanted),
            arms,
            str(arrays["control"]),
            arrays["cost"],
            arrays["average"],
            float(arrays["worth"]),
        )

    @property
    def _members(self) -> dict[str, RowScorer]:
        return {f"part_{i}": part for i, part in enumerate(self.parts)}
