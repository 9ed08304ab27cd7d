"""Sums of an arm's customers on resamples of them."""

from __future__ import annotations

import numpy as np

from growthlab.evaluation.resamples import N_RESAMPLES, Resamples


def resampled_means(columns: np.ndarray, seed: int, n_resamples: int = N_RESAMPLES) -> np.ndarray:
    """The mean of each column on each resample of the rows, ``(n, k)`` -> ``(n_resamples, k)``.

    Another `seed` for each arm keeps the arms independent of each other.
    """
    resamples = Resamples(len(columns), seed)
    sums = np.column_stack([resamples.sums_by_cell(column) for column in columns.T])
    n_of_cell = resamples.sums_by_cell(np.ones(len(columns)))
    means = []
    for counts in resamples.counts(n_resamples):
        weights = counts.astype(float)
        means.append((weights @ sums) / (weights @ n_of_cell)[:, None])
    return np.concatenate(means)


def resampled_quantile(
    values: np.ndarray, q: float, rng: np.random.Generator, n_resamples: int = N_RESAMPLES
) -> np.ndarray:
    """The `q` quantile of each resample of the values, ``(n_resamples,)``, without drawing them.

    The place of an order statistic of a resample among the sorted values is that of a beta variable:
    the r-th smallest of n uniform numbers is Beta(r, n - r + 1).
    """
    n = len(values)
    r = quantile_place(n, q) + 1
    places = np.ceil(n * rng.beta(r, n - r + 1, n_resamples)).astype(int) - 1
    return np.sort(values)[np.clip(places, 0, n - 1)]


def quantile_place(n: int, q: float) -> int:
    """The place of the `q` quantile among `n` sorted values: the first with a share of `q` up to it."""
    return int(np.clip(np.ceil(q * n) - 1, 0, n - 1))
