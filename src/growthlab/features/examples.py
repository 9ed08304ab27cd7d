"""Examples: customers as of a snapshot, with what they did in the horizon after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError


@dataclass(frozen=True)
class Examples:
    """One row a customer and snapshot, for churn and value.

    `table` holds numeric features (float64, NaN where not known) and pandas categories, all from
    events strictly before the row's snapshot. `target` (float64, None where the future is not
    known) is 1 for no purchase in ``[snapshot, snapshot + horizon)`` for churn, for value the
    revenue in it.
    `present` are the unlabelled features, at the fold's cutoff, of all customers with a purchase
    before it: what a model without need of labels learns from.
    """

    table: pd.DataFrame
    user_ids: np.ndarray  # (n,) str
    snapshots: np.ndarray  # (n,) datetime64[us]
    horizon_days: float
    target: np.ndarray | None = None  # (n,) float64
    present: Examples | None = None

    def __len__(self) -> int:
        return len(self.table)

    def select(self, rows: np.ndarray) -> Self:
        """The given rows, in the given order; `present` stays as it is."""
        return replace(
            self,
            table=self.table.iloc[rows].reset_index(drop=True),
            user_ids=self.user_ids[rows],
            snapshots=self.snapshots[rows],
            target=None if self.target is None else self.target[rows],
        )

    def labels(self, needed_by: str) -> np.ndarray:
        """The target; DataError in one line where there is none, or no row at all."""
        if self.target is None or not len(self):
            raise DataError(
                f"{needed_by} learns from outcomes, and no snapshot before the cutoff has a past "
                f"and the {self.horizon_days:g} days of an outcome: choose a later split.cutoff, "
                "a shorter split.horizon_days or a smaller task.min_history_days"
            )
        return self.target

    @classmethod
    def concat(cls, parts: Sequence[Examples]) -> Examples:
        """All rows, in order, with the columns of the first part; its `present` is kept."""
        first = parts[0]
        targets = [p.target for p in parts]
        return replace(
            first,
            table=_stacked([p.table for p in parts]),
            user_ids=np.concatenate([p.user_ids for p in parts]),
            snapshots=np.concatenate([p.snapshots for p in parts]),
            target=None if any(t is None for t in targets) else np.concatenate(targets),  # type: ignore[arg-type]
        )


def _stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows below each other; categories of all tables, sorted."""
    texts = [c for c in tables[0] if isinstance(tables[0][c].dtype, pd.CategoricalDtype)]
    plain = [t[tables[0].columns].astype(dict.fromkeys(texts, object)) for t in tables]
    stacked = pd.concat(plain, ignore_index=True)
    return stacked.astype(dict.fromkeys(texts, "category"))
