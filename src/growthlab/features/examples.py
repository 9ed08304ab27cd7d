"""Examples: customers as of a snapshot, with what they did in the horizon after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Examples:
    """One row a customer and snapshot, for churn and value.

    `table` holds numeric features (float64, NaN where not known) and pandas categories, all from events
    strictly before the row's snapshot. `target` (float64, None where the future is not known) is 1 for no
    purchase in ``[snapshot, snapshot + horizon)`` for churn, the revenue in it for value. `present` are the
    same customers' unlabelled features at the fold's cutoff: what a model without need of labels learns from.
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
