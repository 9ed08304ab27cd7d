"""From a fold of an experiment to the customers of one arm and its control, checked before any fit."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from growthlab.core.claims import Claim
from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.data.arm_assignment import Assignment
from growthlab.data.labelled_table import LabelledTable
from growthlab.evaluation.randomisation import STOP_BELOW, balance, sample_ratio
from growthlab.features.arms_table import ArmsTable
from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.uplift.everybody import average_effect
from growthlab.split.fold import TableFold
from growthlab.tasks.experiment_task import NO_EXPERIMENT, assignment_of
from growthlab.tasks.table_data import table_data
from growthlab.tasks.uplift_tables import arms_table, expected_by_arm, linear

log = logging.getLogger(__name__)

FEWEST = 20  # customers of either arm in a part of the fold
CUSTOMERS_CHECKED = 200_000  # for the balance; a sample is enough to see what matters


@dataclass(frozen=True)
class UpliftData:
    """The data that all models of effects share on one fold.

    `mean_outcome` is the average effect, the answer for an unknown customer. `arms` are the sizes of
    all arms with their mean outcomes, and `balance` what the customers of the two were before.
    """

    train: ExperimentTable
    evaluated: ExperimentTable
    mean_outcome: float
    arms: pd.DataFrame
    balance: pd.DataFrame


def uplift_data(fold: TableFold, arm: str | None, *, task_label: str) -> UpliftData:
    """The customers who got the arm and those of the control; models learn from those of the past.

    The propensity of the arm is that among the two. The expected outcomes of those to evaluate come
    from linear models of the past, the same for all models.

    Raises
    ------
    ConfigError
        The table is of no experiment, or the arm is none of its arms.
    DataError
        The sizes of the arms are not as intended, or what customers were before differs between the
        arms: it was not randomised as it says; or a part has too few customers; see also `table_data`.
    """
    assignment = assignment_of(fold.past)
    arm = arm_of(assignment, arm)
    arms = _checked_arms(fold)
    compared = _against_control(fold, arm)
    shared = table_data(compared, lambda table: table.label, task_label=task_label)
    before = _checked_balance(compared, arm)  # after leaks were found, which differ by arm too
    train = ExperimentTable.of(shared.train, *_treatment(compared.past, arm))
    evaluated = ExperimentTable.of(shared.evaluated, *_treatment(compared.future, arm))
    evaluated = replace(evaluated, expected=expected_by_arm(train, evaluated))
    average = average_effect(train)
    log.info(
        "%s: %s against %s changes %s by %.4g on average, of those to learn from",
        *(task_label, arm, assignment.control, fold.past.label_column, average),
    )
    return UpliftData(train, evaluated, average, arms, before)


@dataclass(frozen=True)
class ArmsData:
    """The data that all models of several arms share on one fold.

    `average` are the average effects of those to learn from, and `mean_outcome` what the best arm
    brings on average, the answer for an unknown customer. `arms` and `balance` as of `UpliftData`, the
    balance with the arm that each row is of.
    """

    train: ArmsTable
    evaluated: ArmsTable
    average: np.ndarray  # (n_arms,)
    cost: np.ndarray  # (n_arms,)
    mean_outcome: float
    arms: pd.DataFrame
    balance: pd.DataFrame


def arms_data(fold: TableFold, worth: float, *, task_label: str) -> ArmsData:
    """The customers of all arms and of the control, which is that of every arm; see `uplift_data`."""
    assignment = assignment_of(fold.past)
    arms = _checked_arms(fold)
    compared = {arm: _against_control(fold, arm) for arm in assignment.treatments}
    shared = table_data(fold, lambda table: table.label, task_label=task_label)
    before = [_checked_balance(each, arm).assign(arm=arm) for arm, each in compared.items()]
    train = ArmsTable.of(shared.train, assignment, worth)
    evaluated = ArmsTable.of(shared.evaluated, assignment_of(fold.future), worth)
    names = (assignment.control, *train.arms)
    learned = {n: train.select(np.flatnonzero(assignment.arms == n)) for n in names}
    expected = np.column_stack([linear(own).predict(evaluated) for own in learned.values()])
    average = np.array([average_effect(train.against_control(arm)) for arm in train.arms])
    cost = np.array([assignment.cost.get(arm, 0.0) for arm in train.arms])
    for arm, effect in zip(train.arms, average, strict=True):
        log.info("%s: %s changes the outcome by %.4g on average", task_label, arm, effect)
    best = max(0.0, float((worth * average - cost).max()))
    return ArmsData(
        train, replace(evaluated, expected=expected), average, cost, best, arms, pd.concat(before)
    )


def arm_of(assignment: Assignment, arm: str | None) -> str:
    """The arm that is asked about; ConfigError where that is not clear."""
    possible = assignment.treatments
    if arm is None:
        if len(possible) > 1:
            raise ConfigError(f"task.arm names the arm that is asked about: {', '.join(possible)}")
        return possible[0]
    if arm not in possible:
        is_control = " is the control" if arm == assignment.control else ""
        raise ConfigError(f"task.arm={arm}{is_control}: {near_matches(arm, possible)}")
    return arm


def _checked_arms(fold: TableFold) -> pd.DataFrame:
    """The sizes of all arms, past and future; DataError where they are not as intended."""
    parts = [fold.past, fold.future]
    names = (assignment_of(fold.past).control, *assignment_of(fold.past).treatments)
    counts = {n: sum(int((assignment_of(t).arms == n).sum()) for t in parts) for n in names}
    expected = {n: sum(float(assignment_of(t).probability[n].sum()) for t in parts) for n in names}
    ratio = sample_ratio(counts, expected)
    if ratio.is_broken:
        sizes = ", ".join(f"{n} {counts[n]:,} instead of {expected[n]:,.0f}" for n in names)
        raise DataError(
            f"{fold.past.file}: the sizes of the arms are not as intended ({sizes}; p {ratio.p:.1g}, below "
            f"{STOP_BELOW:g}): customers were lost or counted twice, and nothing about effects can be "
            f"concluded; as {Claim.HEURISTIC} it can still be read with data=customer_table"
        )
    log.info("sample ratio: p %.3f", ratio.p)
    outcomes = np.concatenate([t.label for t in parts])
    arms = np.concatenate([assignment_of(t).arms for t in parts])
    return arms_table(names, expected, arms, outcomes, ratio.p)


def _checked_balance(fold: TableFold, arm: str) -> pd.DataFrame:
    """What customers of both arms were before; DataError where that differs too much for chance."""
    parts = [fold.past, fold.future]
    step = -(-sum(map(len, parts)) // CUSTOMERS_CHECKED)
    features = pd.concat([t.features.iloc[::step] for t in parts], ignore_index=True)
    treated = np.concatenate([assignment_of(t).arms[::step] == arm for t in parts])
    found = balance(features, treated)
    propensity = np.concatenate([_treatment(t, arm)[1] for t in parts])
    same_for_all = np.ptp(propensity) < 1e-9
    if same_for_all and found.is_broken:
        worst = found.columns.iloc[0]
        raise DataError(
            f"{fold.past.file}: customers of {arm} and of the control differed before already (p "
            f"{found.p:.1g}, below {STOP_BELOW:g}; most in {worst['column']}, {worst['control']:.4g} in the "
            f"control and {worst['arm']:.4g} in the arm): it {NO_EXPERIMENT}"
        )
    log.info("balance of %d columns: p %.3f", len(found.columns), found.p)
    return found.columns.assign(p=found.p)


def _against_control(fold: TableFold, arm: str) -> TableFold:
    """The customers of the arm and of the control in both parts."""
    past, future = (
        _of_arm(table, arm, purpose)
        for table, purpose in ((fold.past, "to learn from"), (fold.future, "to evaluate"))
    )
    return replace(fold, past=past, future=future)


def _of_arm(table: LabelledTable, arm: str, purpose: str) -> LabelledTable:
    """The rows of the arm and of the control; DataError where they are too few."""
    assignment = assignment_of(table)
    for name in (arm, assignment.control):
        n = int((assignment.arms == name).sum())
        if n < FEWEST:
            raise DataError(
                f"{table.file}: only {n} customers of {name} {purpose}, and at least {FEWEST} are needed: "
                "change split.test_share or split.valid_share"
            )
    return table.select(np.isin(assignment.arms, (arm, assignment.control)))


def _treatment(table: LabelledTable, arm: str) -> tuple[np.ndarray, np.ndarray]:
    """Who got the arm, and its probability among the two, ``(n,)`` each."""
    assignment = assignment_of(table)
    p, control = assignment.probability[arm], assignment.probability[assignment.control]
    return (assignment.arms == arm).astype(np.float64), p / (p + control)
