"""Assignment: which arm of a randomised experiment each customer was given, and with what probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

ARM, PROBABILITY = "arm", "probability of "  # columns of the cache


@dataclass(frozen=True)
class Assignment:
    """The arm of each row, and the probabilities of all arms, among them the control.

    The control of every arm is the arm that was given nothing, never another arm. `cost` is what one
    contact of an arm costs, 0 for an arm that is not named.
    """

    control: str
    arms: np.ndarray  # (n,) str
    probability: Mapping[str, np.ndarray]  # arm -> (n,) float64
    cost: Mapping[str, float]

    @property
    def treatments(self) -> tuple[str, ...]:
        """The arms other than the control, sorted."""
        return tuple(sorted(set(self.probability) - {self.control}))

    def select(self, rows: np.ndarray) -> Self:
        """The given rows: a mask, or places in their order."""
        probability = {arm: values[rows] for arm, values in self.probability.items()}
        return replace(self, arms=self.arms[rows], probability=probability)

    def columns(self) -> dict[str, np.ndarray]:
        """The values of each row, as columns of the cache."""
        return {ARM: self.arms, **{PROBABILITY + a: p for a, p in self.probability.items()}}

    def about(self) -> dict[str, Any]:
        """The rest, as plain values."""
        return {"control": self.control, "cost": dict(self.cost)}

    @classmethod
    def of_columns(cls, rows: pd.DataFrame, about: Mapping[str, Any]) -> Self:
        """The assignment that `columns` and `about` describe."""
        probability = {
            str(c).removeprefix(PROBABILITY): rows[c].to_numpy(dtype=np.float64)
            for c in rows
            if str(c).startswith(PROBABILITY)
        }
        arms = rows[ARM].to_numpy(dtype=str)
        return cls(str(about["control"]), arms, probability, dict(about["cost"]))
