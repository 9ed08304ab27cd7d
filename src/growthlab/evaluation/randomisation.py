"""Was an experiment randomised as intended: the sizes of its arms, and what customers were before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import chdtrc

STOP_BELOW = 0.001  # p of the sample ratio or the balance: chance did not draw the arms as intended
FAR_APART = 0.1  # standardised difference of means (Austin, Statistics in Medicine, 2009)
COLUMNS = ("column", "control", "arm", "difference")
MOST_LEVELS = 20  # of a column of words; the other levels are one


class SampleRatio(NamedTuple):
    """The sizes of the arms against the intended shares: chi-square and its p value."""

    chi_square: float
    p: float

    @property
    def is_broken(self) -> bool:
        """Whether the split is so unlikely that nothing may be concluded."""
        return self.p < STOP_BELOW


def sample_ratio(counts: Mapping[str, int], shares: Mapping[str, float]) -> SampleRatio:
    """The chi-square test of the sizes of the arms (sample ratio mismatch).

    `shares` are the intended ones, in any unit: they are divided by their sum.

    >>> round(sample_ratio({"a": 50_000, "b": 50_700}, {"a": 1, "b": 1}).p, 6)
    0.027392
    """
    observed = np.array([counts[arm] for arm in shares], dtype=float)
    intended = np.array(list(shares.values()), dtype=float)
    expected = observed.sum() * intended / intended.sum()
    chi_square = float(((observed - expected) ** 2 / expected).sum())
    return SampleRatio(chi_square, float(chdtrc(len(observed) - 1, chi_square)))


@dataclass(frozen=True)
class Balance:
    """What customers were before, in an arm and in the control.

    `columns` has a row a column, or a level of a column of words: `column`, the mean in both arms and
    the standardised `difference`, the largest first. `p` is Hotelling's test that no mean differs;
    NaN without a column that varies.
    """

    columns: pd.DataFrame
    p: float

    @property
    def is_broken(self) -> bool:
        """Whether the arms differ by so much that chance did not draw them."""
        return self.p < STOP_BELOW

    @property
    def far_apart(self) -> list[str]:
        """The columns that differ by more than a tenth of a standard deviation."""
        far = self.columns["difference"].abs() > FAR_APART
        return [str(name) for name in self.columns.loc[far, "column"]]


def balance(before: pd.DataFrame, treated: np.ndarray) -> Balance:
    """Compare customers of an arm with those of the control by what was known before.

    Parameters
    ----------
    before : a row a customer; words become a share a level, a missing number is the mean and a
        column of its own, as is what only few customers have
    treated : whether each customer is in the arm, ``(n,)`` bool; both sides have two or more
    """
    numbers = _as_numbers(before)
    x = numbers.to_numpy(dtype=float)
    spread = x.std(axis=0, ddof=1) if len(x) > 1 else np.zeros(x.shape[1])
    numbers, x = numbers.loc[:, spread > 0], x[:, spread > 0]
    control, arm = x[~treated], x[treated]
    if not x.size:
        return Balance(pd.DataFrame(columns=COLUMNS), float("nan"))
    differences = arm.mean(axis=0) - control.mean(axis=0)
    pooled = np.sqrt((arm.var(axis=0, ddof=1) + control.var(axis=0, ddof=1)) / 2)
    table = pd.DataFrame(
        {
            "column": list(numbers.columns),
            "control": control.mean(axis=0),
            "arm": arm.mean(axis=0),
            "difference": np.divide(
                differences, pooled, out=np.zeros_like(pooled), where=pooled > 0
            ),
        }
    )
    order = np.argsort(-table["difference"].abs().to_numpy(), kind="stable")
    return Balance(table.iloc[order].reset_index(drop=True), _hotelling_p(control, arm))


def _as_numbers(before: pd.DataFrame) -> pd.DataFrame:
    """Numbers without gaps: a share for each level of a column of words, and for missing values."""
    columns: dict[str, pd.Series] = {}
    for name, values in before.items():
        if pd.api.types.is_numeric_dtype(values):
            if values.isna().any():
                columns[f"{name}: missing"] = values.isna().astype(float)
            columns[str(name)] = values.astype(float).fillna(values.mean())
            continue
        words = values.astype("string").fillna("missing")
        frequent = words.value_counts().index[:MOST_LEVELS]
        for level in sorted(frequent):
            columns[f"{name}: {level}"] = (words == level).astype(float)
        if (others := ~words.isin(frequent)).any():
            columns[f"{name}: other"] = others.astype(float)
    return pd.DataFrame(columns, index=before.index)


def _hotelling_p(control: np.ndarray, arm: np.ndarray) -> float:
    """Hotelling's test of equal means by its chi-square limit; columns that repeat others count once.

    Everybody together has the covariance of each arm if none differs.
    """
    difference = arm.mean(axis=0) - control.mean(axis=0)
    if not len(difference):
        return float("nan")
    everybody = np.cov(np.concatenate([control, arm]).T)
    covariance = np.atleast_2d(everybody) * (1 / len(arm) + 1 / len(control))
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    rank = int(np.linalg.matrix_rank(correlation, tol=1e-8))
    z = difference / scale
    return float(chdtrc(rank, z @ np.linalg.pinv(correlation, rcond=1e-8, hermitian=True) @ z))
