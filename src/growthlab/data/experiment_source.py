"""A table of a randomised experiment, from a file: features, arm, outcome, probabilities, costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError, near_matches
from growthlab.data.arm_assignment import Assignment
from growthlab.data.columns import as_ids
from growthlab.data.customer_file import COLUMNS, CustomerFile
from growthlab.data.labelled_table import LabelledTable
from growthlab.data.read_arms import HEURISTIC, read_assignment

FEATURES_DATE, LABEL_DATE = "features_date", "label_date"


@dataclass(frozen=True, kw_only=True)
class ExperimentFile(CustomerFile):
    """Customers of a randomised experiment: features as of the assignment, the arm, and what came after.

    A sibling of `CustomerFile`, whose settings it has too: `label` is the outcome, and `date` is when a
    customer was assigned. Other outcomes are no features: name them in `leave_out`, or name the
    `features`.

    Parameters
    ----------
    columns
        As of `CustomerFile`, and `arm`, which is required; `features_date` and `label_date`: as of when
        a row's features are, and when its outcome was measured, which must not be after and not before
        the assignment.
    control
        The arm that was given nothing: the control of all others.
    probability
        How likely a customer was to get each arm: a number, or the column that holds it.
    cost
        What a contact of an arm costs; 0 for those that are not named.
    """

    name: ClassVar[str] = "experiment_table"
    roles: ClassVar[tuple[str, ...]] = (*COLUMNS, "arm", FEATURES_DATE, LABEL_DATE)
    control: str | int | None = None
    probability: Mapping[str, float | str] | None = None
    cost: Mapping[str, float] | None = None

    def _labelled(self, table: pd.DataFrame, path: Path) -> LabelledTable:
        """The table without the columns of the experiment, and its assignment."""
        column = self.columns.get("arm") or "arm"
        if column not in table:
            hint = near_matches(column, list(table.columns))
            raise DataError(
                f"no column {column!r} of arms: name it with data.columns.arm=COLUMN: {hint}; {HEURISTIC}"
            )
        if column == (self.columns.get("label") or "label"):
            raise DataError(
                f"{column} is the arm and the label: name the outcome with data.columns.label"
            )
        _refuse_in_two_arms(table, column, self.columns.get("user_id") or "user_id")
        self._refuse_wrong_order(table)
        assignment = read_assignment(
            table, column, self.control, self.probability or {}, self.cost or {}
        )
        labelled = super()._labelled(table.drop(columns=self._own_columns(table, column)), path)
        return self._assigned(labelled, assignment)

    def _assigned(self, labelled: LabelledTable, assignment: Assignment) -> LabelledTable:
        """The table with the assignment of its rows, which are sorted and may be fewer."""
        return replace(labelled, assignment=assignment.select(labelled.numbers - 1))

    def _own_columns(self, table: pd.DataFrame, arm: str) -> list[str]:
        """The columns that are no features: of the arm, its probability, and the dates."""
        dates = (self.columns.get(role) or role for role in (FEATURES_DATE, LABEL_DATE))
        named = (value for value in (self.probability or {}).values() if isinstance(value, str))
        return [c for c in dict.fromkeys((arm, *dates, *named)) if c in table]

    def _refuse_wrong_order(self, table: pd.DataFrame) -> None:
        """DataError for features after the assignment, or an outcome before it."""
        names = {
            role: self.columns.get(role) or role for role in ("date", FEATURES_DATE, LABEL_DATE)
        }
        given = {role for role, name in names.items() if name in table}
        for role in sorted(given - {"date"}):
            if "date" not in given:
                raise DataError(
                    f"{names[role]} can only be checked against the date of the assignment: name it with "
                    "data.columns.date=COLUMN"
                )
        times = {role: self._dates(table[names[role]], names[role]) for role in sorted(given)}
        for role, what in (
            (FEATURES_DATE, "features are known"),
            (LABEL_DATE, "outcome is measured"),
        ):
            if role not in given:
                continue
            late = role == FEATURES_DATE
            wrong = times[role] > times["date"] if late else times[role] < times["date"]
            if wrong.any():
                row, n = int(wrong.to_numpy().argmax()), int(wrong.sum())
                order = "after" if late else "before"
                raise DataError(
                    f"row {row + 1}: its {what} {order} its assignment ({names[role]} "
                    f"{times[role].iloc[row]}, {names['date']} {times['date'].iloc[row]}; {n:,} such rows): "
                    "it says nothing about the effect of the arm; leave such rows out"
                )


def _refuse_in_two_arms(table: pd.DataFrame, column: str, id_column: str) -> None:
    """DataError for a customer with two rows, which an experiment cannot have."""
    if id_column not in table:
        return
    ids = as_ids(table[id_column])
    twice = (ids.duplicated() & ids.notna()).to_numpy()
    if not twice.any():
        return
    row = int(twice.argmax())
    first = int(np.flatnonzero((ids == ids.iloc[row]).to_numpy())[0])
    arms = [str(table[column].iloc[place]) for place in (first, row)]
    if arms[0] == arms[1]:
        raise DataError(
            f"row {row + 1}: the customer {ids.iloc[row]} is in row {first + 1} already ({twice.sum():,} "
            "such rows): keep one row a customer"
        )
    raise DataError(
        f"row {row + 1}: the customer {ids.iloc[row]} is in the arm {arms[1]}, and in row {first + 1} in "
        f"{arms[0]}: leave customers of two arms out"
    )
