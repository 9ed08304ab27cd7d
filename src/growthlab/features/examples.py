"""Examples: customers as of a snapshot, with their outcome in the horizon after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError
from growthlab.features.step_facts import FACTS, N_STEPS, NAMES

STEPS = "steps: "
StepReader = Callable[[datetime, np.ndarray], np.ndarray]  # snapshot, user ids -> their steps


@dataclass(frozen=True)
class Examples:
    """One row a customer and snapshot, for churn and value.

    `table` holds numeric features (float64, NaN if unknown) and pandas categories, all from
    events strictly before the row's snapshot. The outcome window is ``[start, start + horizon)``
    with ``start = snapshot + gap``. `target` (float64, None if the future is unknown) is 1 for no
    purchase in it for churn, and the revenue in it for value; `waits` are the days from its start
    to the first purchase in it (inf: none).
    `read_steps` gives the steps of customers as of a snapshot, see `event_steps`.
    `present` are the unlabelled features, at the fold's cutoff, of all customers with a purchase
    before it, for models that need no labels.
    """

    table: pd.DataFrame
    user_ids: np.ndarray  # (n,) str
    snapshots: np.ndarray  # (n,) datetime64[us]
    horizon_days: float
    target: np.ndarray | None = None  # (n,) float64
    present: Examples | None = None
    gap_days: float = 0.0
    waits: np.ndarray | None = None  # (n,) float64
    read_steps: StepReader | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.table)

    def __getstate__(self) -> dict[str, Any]:
        """For another process: with the steps already read, as it has no events to read them from."""
        if self.read_steps is not None:
            _ = self.steps
        return {**vars(self), "read_steps": None}

    @property
    def truth(self) -> np.ndarray:
        """What metrics compare predictions with: the target, or several numbers a row, ``(n, n_parts)``."""
        assert self.target is not None
        return self.target

    def select(self, rows: np.ndarray) -> Self:
        """The given rows, in the given order; `present` is kept."""
        selected = replace(
            self,
            table=self.table.iloc[rows].reset_index(drop=True),
            user_ids=self.user_ids[rows],
            snapshots=self.snapshots[rows],
            target=None if self.target is None else self.target[rows],
            waits=None if self.waits is None else self.waits[rows],
        )
        return selected._with_steps(self.steps[rows]) if self.has_steps else selected

    @property
    def has_steps(self) -> bool:
        """Whether the steps were read already."""
        return "steps" in vars(self)

    def _with_steps(self, steps: np.ndarray) -> Self:
        vars(self)["steps"] = steps
        return self

    @cached_property
    def steps(self) -> np.ndarray:
        """The latest active days of each row, ``(n, n_steps, n_facts)``; see `event_steps`.

        Read on first use: most models have none. DataError without `read_steps`.
        """
        if self.read_steps is None:
            raise DataError("a model of event sequences needs the event log of the examples")
        steps = np.full((len(self), N_STEPS, len(FACTS)), np.nan, dtype=np.float32)
        for snapshot in np.unique(self.snapshots):
            rows = np.flatnonzero(self.snapshots == snapshot)
            moment = snapshot.astype("datetime64[us]").item()
            steps[rows] = self.read_steps(moment, self.user_ids[rows])
        return steps

    def column(self, name: str) -> pd.Series:
        """A column of the table, or one fact of one step by its name, as a scorer asks for it."""
        if name in self.table:
            return self.table[name]
        return pd.Series(self.steps.reshape(len(self), -1)[:, NAMES.index(name)], name=name)

    def labels(self, needed_by: str) -> np.ndarray:
        """The target; DataError in one line where there is none, or no row at all."""
        if self.target is None or not len(self):
            raise DataError(
                f"{needed_by} learns from outcomes, and no snapshot before the cutoff has a past "
                f"and the {self.horizon_days:g} days of an outcome: choose a later split.cutoff, "
                "a shorter split.horizon_days or a smaller task.min_history_days"
            )
        return self.target

    def permuted(self, name: str, order: np.ndarray) -> Examples:
        """The same customers with the values of one feature permuted: row i gets that of row `order[i]`.

        `name` is a column of the table, or ``steps: `` and a fact, which is permuted in all steps.
        """
        if name in self.table:
            column = self.table[name].iloc[order].array
            permuted = replace(self, table=self.table.assign(**{name: column}))
            return permuted._with_steps(self.steps) if self.has_steps else permuted
        steps, fact = self.steps.copy(), FACTS.index(name.removeprefix(STEPS))
        steps[:, :, fact] = steps[order, :, fact]
        return replace(self)._with_steps(steps)

    @classmethod
    def concat(cls, parts: Sequence[Examples]) -> Examples:
        """All rows, in order, with the columns of the first part; its `present` is kept."""
        first = parts[0]
        return replace(
            first,
            table=_stacked([p.table for p in parts]),
            user_ids=np.concatenate([p.user_ids for p in parts]),
            snapshots=np.concatenate([p.snapshots for p in parts]),
            target=_joined([p.target for p in parts]),
            waits=_joined([p.waits for p in parts]),
        )


def _joined(arrays: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The arrays concatenated; None if one of them is None."""
    known = [a for a in arrays if a is not None]
    return np.concatenate(known) if len(known) == len(arrays) else None


def _stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The tables concatenated, with the sorted categories of all."""
    texts = [c for c in tables[0] if isinstance(tables[0][c].dtype, pd.CategoricalDtype)]
    plain = [t[tables[0].columns].astype(dict.fromkeys(texts, object)) for t in tables]
    stacked = pd.concat(plain, ignore_index=True)
    return stacked.astype(dict.fromkeys(texts, "category"))
