"""A/A: how often the statistics find an effect where customers are only dealt into two arms at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.core.seeding import random_stream
from growthlab.effects.experiment_data import BEFORE
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.shop_window import ShopWindow
from growthlab.effects.welch import ArmMoments, welch

CHUNK_BYTES = 64 * 2**20
TOLERATED = 0.01  # of false alarms at 5 %


@dataclass(frozen=True)
class FalseAlarms:
    """The share of random splits with a p value below `alpha`, a row an outcome and method.

    `table` has outcome, method, false_alarms and `mean_p`, which is 0.5 where the p values are even.
    """

    table: pd.DataFrame
    n_splits: int
    n_customers: int
    alpha: float

    @property
    def off(self) -> list[str]:
        """The outcomes whose share is further from `alpha` than is tolerated."""
        far = (self.table["false_alarms"] - self.alpha).abs() > TOLERATED
        return [f"{r['outcome']} ({r['method']})" for r in self.table[far].to_dict("records")]


def false_alarms(
    window: ShopWindow,
    outcomes: Sequence[ExperimentOutcome],
    *,
    n_splits: int,
    alpha: float = 0.05,
    seed: int = 0,
) -> FalseAlarms:
    """Split the customers of a window at random, again and again, and compare the halves.

    The tests are those of an experiment: Welch's of means and shares, the delta method of ratios, and
    CUPED by the days before.

    Raises
    ------
    DataError
        An outcome that the log does not have.
    """
    window.require(outcomes)
    columns = list(_columns(window.customers, outcomes))
    x = np.column_stack([values for _, _, values in columns])
    p = split_p_values(x, n_splits, seed)
    table = pd.DataFrame(
        {
            "outcome": [name for name, _, _ in columns],
            "method": [method for _, method, _ in columns],
            "false_alarms": np.nanmean(np.where(np.isnan(p), np.nan, p < alpha), axis=0),
            "mean_p": np.nanmean(p, axis=0),
        }
    )
    return FalseAlarms(table, n_splits, len(x), alpha)


def split_p_values(x: np.ndarray, n_splits: int, seed: int) -> np.ndarray:
    """Welch's p value of each column in each random halving of the rows, ``(n_splits, n_columns)``."""
    n = len(x)
    x = x - x.mean(axis=0)  # sums of squares keep their digits
    totals, squares = x.sum(axis=0), (x**2).sum(axis=0)
    both = np.column_stack([x, x**2])
    rng = random_stream(seed, "splits", n)
    chunk = max(1, CHUNK_BYTES // (8 * n))
    found = []
    for start in range(0, n_splits, chunk):
        size = min(chunk, n_splits - start)
        bits = np.unpackbits(rng.integers(256, size=(size, (n + 7) // 8), dtype=np.uint8), axis=1)
        treated = bits[:, :n].astype(float)
        sums = treated @ both
        n_arm = treated.sum(axis=1)[:, None]
        arm_sums, arm_squares = np.split(sums, 2, axis=1)
        arm = ArmMoments.of_sums(n_arm, arm_sums, arm_squares)
        control = ArmMoments.of_sums(n - n_arm, totals - arm_sums, squares - arm_squares)
        found.append(welch(control, arm).p)
    return np.concatenate(found)


def _columns(
    customers: pd.DataFrame, outcomes: Sequence[ExperimentOutcome]
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Outcome, method and the values whose mean is compared."""
    for outcome in outcomes:
        values, _ = outcome.linearised(customers)
        if not np.ptp(values):
            continue
        yield outcome.name, "delta method" if outcome.denominator else "Welch", values
        if outcome.denominator is None and f"{BEFORE}{outcome.numerator}" in customers:
            before = outcome.values(customers, BEFORE)
            if np.ptp(before):
                theta = np.cov(values, before)[0, 1] / before.var(ddof=1)
                yield outcome.name, "CUPED", values - theta * (before - before.mean())
