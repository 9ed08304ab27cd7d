"""Tables of an experiment: its arms, the expected outcomes, and effects by tenth of the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.metrics.best_arm.base import JudgedArms
from growthlab.metrics.uplift.base import Truth
from growthlab.models.base import Estimator
from growthlab.models.table_estimator import TableEstimator
from growthlab.models.value.mean import Mean
from growthlab.training.fit_options import FitOptions

MOST_LEVELS = 8
SMALLEST_STRATUM = 200  # customers; with fewer, an effect has no bounds worth showing


def arms_table(
    names: Sequence[str],
    expected: Mapping[str, float],
    arms: np.ndarray,
    outcomes: np.ndarray,
    p: float,
) -> pd.DataFrame:
    """A row an arm, the control first: customers, those intended, mean outcome, p of the sizes."""
    own = [outcomes[arms == name] for name in names]
    return pd.DataFrame(
        {
            "arm": list(names),
            "customers": [len(values) for values in own],
            "intended": [expected[name] for name in names],
            "mean_outcome": [float(values.mean()) if len(values) else np.nan for values in own],
            "p_sample_ratio": p,
        }
    )


def expected_by_arm(learned: ExperimentTable, customers: ExperimentTable) -> np.ndarray:
    """The outcomes of customers without and with the arm by ridge regressions, ``(n, 2)``."""
    return np.column_stack(
        [linear(learned.arm(treated)).predict(customers) for treated in (False, True)]
    )


def linear(examples: Examples) -> Estimator:
    """A ridge regression of the outcome, fitted; its mean where all outcomes are the same."""
    constant = np.ptp(examples.labels("the expected outcome")) == 0
    model: Estimator = Mean() if constant else TableEstimator(Ridge())
    return model.fit(examples, FitOptions())


def effect_tenths(truth: np.ndarray, prediction: np.ndarray) -> pd.DataFrame:
    """Customers by tenth of the prediction, the highest first, in the order of the table for ties.

    Columns: ``tenth`` from 1, ``customers``, mean ``prediction``, mean doubly robust ``effect`` with
    its standard ``error``, and the effect of this tenth and all above it, ``so_far``.
    """
    order = np.argsort(-prediction, kind="stable")
    effect = Truth.of(truth).robust_effect
    rows = []
    for tenth, places in enumerate(np.array_split(order, 10), start=1):
        if not len(places):
            continue
        own = effect[places]
        error = float(own.std(ddof=1) / np.sqrt(len(own))) if len(own) > 1 else np.nan
        rows.append((tenth, len(own), float(prediction[places].mean()), float(own.mean()), error))
    table = pd.DataFrame(rows, columns=["tenth", "customers", "prediction", "effect", "error"])
    so_far = (table["effect"] * table["customers"]).cumsum() / table["customers"].cumsum()
    return table.assign(so_far=so_far)


def arm_choices(judged: JudgedArms, names: np.ndarray) -> pd.DataFrame:
    """A row an arm, the control last: whom the model gives it, and what that brings.

    Columns: ``arm``, ``customers``, mean ``predicted`` and doubly robust ``net_value`` of those who are
    given it, after its cost; `names` has the control last.
    """
    predicted = np.column_stack(
        [judged.worth * judged.predicted - judged.cost, np.zeros(len(judged))]
    )
    gains = judged.gains(judged.chosen)
    rows = []
    for number, name in enumerate(names):
        own = np.flatnonzero(judged.chosen == (-1 if number == len(names) - 1 else number))
        means = (predicted[own, number].mean(), gains[own].mean()) if len(own) else (np.nan, np.nan)
        rows.append((name, len(own), *map(float, means)))
    return pd.DataFrame(rows, columns=["arm", "customers", "predicted", "net_value"])


def strata_of_levels(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Masks of the customers with each level of each column of texts, bool, as ``channel=email``.

    Columns of more than `MOST_LEVELS` levels and levels of fewer than `SMALLEST_STRATUM` customers are
    left out.
    """
    strata: dict[str, np.ndarray] = {}
    for name, values in table.items():
        if not isinstance(values.dtype, pd.CategoricalDtype):
            continue
        texts = values.astype(object).to_numpy()
        counts = values.value_counts()
        if (counts > 0).sum() <= MOST_LEVELS:
            large = sorted(map(str, counts.index[counts >= SMALLEST_STRATUM]))
            strata |= {f"{name}={level}": texts == level for level in large}
    return strata
