"""A outcome of an experiment by its spelling: `spend`, `any spend` or `spend/visit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, quoted

ANY = "any "


@dataclass(frozen=True)
class ExperimentOutcome:
    """One value a customer, or a ratio of two sums over customers.

    ``spend`` is the mean of a column a customer, ``any spend`` the share of customers above 0, and
    ``spend/visit`` the sum of one column by the sum of another.
    """

    name: str
    numerator: str
    denominator: str | None = None
    is_share: bool = False

    @classmethod
    def of(cls, spelling: str) -> Self:
        """The outcome of a spelling; ConfigError for what is none."""
        name = " ".join(spelling.split())
        column = name.removeprefix(ANY).strip()
        parts = [part.strip() for part in column.split("/")]
        if len(parts) > 2 or not all(parts) or (len(parts) == 2 and name.startswith(ANY)):
            raise ConfigError(
                f"outcomes={quoted(spelling)} is no outcome: write a column (spend), 'any spend' "
                "for the share of customers with some, or spend/visit for a ratio"
            )
        return cls(name, parts[0], parts[1] if len(parts) == 2 else None, name.startswith(ANY))

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return [self.numerator, *([self.denominator] if self.denominator else [])]

    def values(self, table: pd.DataFrame, prefix: str = "") -> np.ndarray:
        """The value of each customer, or its part above the line of a ratio, ``(n,)``.

        `prefix` stands before the column's name, as in the period before the experiment.
        """
        column = table[f"{prefix}{self.numerator}"].to_numpy(dtype=float)
        return (column > 0).astype(float) if self.is_share else column

    def is_share_of(self, values: np.ndarray) -> bool:
        """Whether the values are 0 and 1 alone, so that their mean is a share of customers."""
        return self.denominator is None and set(np.unique(values)) <= {0.0, 1.0}

    def linearised(self, table: pd.DataFrame) -> tuple[np.ndarray, float]:
        """One value a customer whose mean is the outcome, ``(n,)``, and that mean.

        A ratio r of sums becomes ``r + (y - r x) / mean(x)``: the delta method (Deng et al., KDD 2018).
        """
        values, divisors = self.values(table), self.divisors(table)
        if divisors is None:
            return values, float(values.mean())
        total = float(divisors.sum())
        if not total > 0:
            return np.zeros(len(values)), 0.0
        ratio = float(values.sum()) / total
        return ratio + (values - ratio * divisors) / float(divisors.mean()), ratio

    def divisors(self, table: pd.DataFrame) -> np.ndarray | None:
        """The part of each customer below the line of a ratio, ``(n,)``; None without one."""
        return None if self.denominator is None else table[self.denominator].to_numpy(dtype=float)
