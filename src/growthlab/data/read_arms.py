"""The arms of an experiment and their probabilities, from the columns of a raw table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.data.arm_assignment import Assignment
from growthlab.data.columns import as_labels, as_numbers

MOST_ARMS = 20  # with more, the column is something else
SMALLEST_ARM = 100  # customers; with fewer, no effect that a shop could hope for is seen
TOLERANCE = 1e-6  # of the sum of a row's probabilities
HEURISTIC = (
    "without it nothing can be said about what an action changes, only who will buy, leave or spend "
    "(expected_value_heuristic, with data=customer_table)"
)


def read_assignment(
    table: pd.DataFrame,
    column: str,
    control: str | int | None,
    probability: Mapping[str, float | str],
    cost: Mapping[str, float],
) -> Assignment:
    """The assignment in the `column` of a table.

    `probability` of each arm is a number, or the name of a column.

    Raises
    ------
    DataError
        A row without an arm, one arm only, an arm that is too small, or probabilities that are no
        probabilities or do not sum to one.
    ConfigError
        No control, no probabilities, or a setting that names no arm.
    """
    arms = _arms(table, column)
    names = sorted(set(arms.tolist()))
    control = None if control is None else str(control)  # YAML reads an arm 0 as a number
    probability = {str(arm): value for arm, value in probability.items()}
    cost = {str(arm): value for arm, value in cost.items()}
    _require_control(arms, names, column, control)
    _refuse_small(arms, names, column)
    known = _probabilities(table, names, probability)
    for arm, price in cost.items():
        if arm not in names:
            raise ConfigError(f"data.cost has {arm}: {near_matches(arm, names)}")
        if not (_is_number(price) and 0 <= price < np.inf):
            raise ConfigError(
                f"data.cost.{arm}={price} must be 0 or more, in the money of the data"
            )
    _refuse_impossible(arms, known)
    assert control is not None
    return Assignment(control, arms, known, {a: float(cost.get(a, 0.0)) for a in names})


def _arms(table: pd.DataFrame, column: str) -> np.ndarray:
    arms = as_labels(table[column]).str.strip()
    missing = (arms.isna() | (arms == "")).to_numpy()
    if missing.any():
        row = int(missing.argmax()) + 1
        raise DataError(f"row {row}: no arm in {column} ({missing.sum():,} rows have none)")
    return arms.to_numpy(dtype=str)


def _require_control(
    arms: np.ndarray, names: Sequence[str], column: str, control: str | None
) -> None:
    if len(names) > MOST_ARMS:
        raise DataError(
            f"{column} has {len(names):,} different values, as {names[0]} and {names[1]}, and an experiment "
            f"has at most {MOST_ARMS} arms: name the column of arms with data.columns.arm=COLUMN"
        )
    if len(names) < 2:
        raise DataError(
            f"{column} has one arm only ({names[0]}): an experiment has a control beside it, and {HEURISTIC}"
        )
    if control is None:
        raise ConfigError(
            f"data.control=ARM names the arm that was given nothing, of {', '.join(names)}: {HEURISTIC}"
        )
    if control not in names:
        raise ConfigError(
            f"data.control={control}: no customer of {column} is in this arm, so the other arms have no "
            f"control: {near_matches(control, names)}"
        )


def _refuse_small(arms: np.ndarray, names: Sequence[str], column: str) -> None:
    counts = {name: int((arms == name).sum()) for name in names}
    small = [f"{name} ({n:,})" for name, n in counts.items() if n < SMALLEST_ARM]
    if small:
        raise DataError(
            f"{column} has too few customers to tell an effect from chance: {', '.join(small)}; at least "
            f"{SMALLEST_ARM} in every arm are needed"
        )


def _probabilities(
    table: pd.DataFrame, names: Sequence[str], given: Mapping[str, float | str]
) -> dict[str, np.ndarray]:
    """The probability of each arm in each row."""
    for arm in given:
        if arm not in names:
            raise ConfigError(f"data.probability has {arm}: {near_matches(str(arm), names)}")
    missing = [name for name in names if name not in given]
    if missing:
        raise ConfigError(
            f"data.probability says how likely a customer was to get each arm, as a number or a column, and "
            f"{', '.join(missing)} has none: {HEURISTIC}"
        )
    known = {name: _one_probability(table, name, given[name]) for name in names}
    total = np.sum(list(known.values()), axis=0)
    wrong = np.abs(total - 1) > TOLERANCE
    if wrong.any():
        row, sums = int(wrong.argmax()), f"{total[wrong.argmax()]:.6g}"
        whose = "" if wrong.all() else f"row {row + 1}: "
        raise DataError(
            f"{whose}the probabilities of the arms sum to {sums}, and they must sum to 1"
        )
    return known


def _one_probability(table: pd.DataFrame, name: str, given: float | str) -> np.ndarray:
    if isinstance(given, str):
        if given not in table:
            hint = near_matches(given, [str(c) for c in table])
            raise ConfigError(f"data.probability.{name}={given} is no column: {hint}")
        values = as_numbers(table[given], given).to_numpy(dtype=np.float64)
    elif not _is_number(given):
        raise ConfigError(
            f"data.probability.{name}={given} must be a number, or the name of a column"
        )
    else:
        values = np.full(len(table), float(given))
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"row {row + 1}: the probability of {name} is {values[row]:g}, not in [0, 1]"
        )
    return values


def _is_number(value: object) -> bool:
    """Whether a setting is a number, and not yes or no."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _refuse_impossible(arms: np.ndarray, known: Mapping[str, np.ndarray]) -> None:
    """DataError for a row whose arm, or any of whose arms, had no chance: no overlap."""
    for name, values in known.items():
        never = values <= 0
        if never.any():
            row = int(never.argmax())
            raise DataError(
                f"row {row + 1}: the arm {name} had no chance there ({never.sum():,} such rows, whose arm is "
                f"{arms[row]} or another): no customer like it can be compared; leave such rows out"
            )
