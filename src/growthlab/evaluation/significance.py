"""Significance tests of differences between models: paired by user, corrected for many models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from growthlab.core.seeding import random_stream
from growthlab.evaluation.intervals import NO_BOUNDS, jackknife_bounds, percentile_bounds
from growthlab.evaluation.prediction_values import PredictionValues
from growthlab.evaluation.resamples import N_RESAMPLES, Resamples
from growthlab.metrics.predictions import PredictionMetric, label_of
from growthlab.metrics.weighted_rows import divided

N_FLIPS = 10_000
ENOUGH_USERS = 500
CHUNK_BYTES = 64 * 2**20

COLUMNS = (
    "model",
    "baseline",
    "difference",
    "low",
    "high",
    "relative_percent",
    "p",
    "p_holm",
    "n_users",
    "minimum_detectable",
    "underpowered",
)


def compare_to_baseline(
    per_user: Mapping[str, pd.DataFrame],
    objective: str,
    baseline: str,
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    n_flips: int = N_FLIPS,
) -> pd.DataFrame:
    """Each model's `objective` against the baseline's, paired by user.

    Parameters
    ----------
    per_user : model -> table with ``user_id`` and the column `objective` (averaged over seeds)

    Returns
    -------
    DataFrame, one row per model other than the baseline: difference (model minus baseline) with its
    95 % bounds, relative_percent of the baseline's mean, p of the sign-flip test, p_holm
    over all models of the table, n_users (with a value for both), minimum_detectable difference
    (80 % power at 5 %), underpowered (fewer than 500 users). NaN without common users.

    Notes
    -----
    Wilcoxon and sign tests are not used, as their type-1 error is inflated on large recommendation
    data. Ihemelandu & Ekstrand, Inference at Scale, SIGIR 2023.
    """
    values = pd.DataFrame({m: t.set_index("user_id")[objective] for m, t in per_user.items()})
    rows = []
    for model in values.columns.drop(baseline):
        pair = values[[model, baseline]].dropna()
        d = (pair[model] - pair[baseline]).to_numpy(dtype=float)
        n = len(d)
        bounds = mean_bounds(d, seed=seed) if n_resamples else NO_BOUNDS
        mean = float(d.mean()) if n else np.nan
        p = sign_flip_p(d, seed=seed, n_flips=n_flips)
        spread = float(d.std(ddof=1)) if n > 1 else np.nan
        rows.append(_row(model, baseline, mean, float(pair[baseline].mean()), bounds, p, n, spread))
    return _table(rows)


def compare_predictions(
    predictions: Mapping[str, Sequence[pd.DataFrame]],
    metric: PredictionMetric,
    baseline: str,
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> pd.DataFrame:
    """The same table for a metric without per-user values (ROC AUC, normalised Gini), by bootstrap.

    Parameters
    ----------
    predictions : model -> one table per seed with ``user_id``, ``prediction`` and the label, see
        `label_of`; the metric is averaged over the seeds, and all models share the resamples of customers
    """
    value, drawn = resampled_metric(predictions, metric, seed=seed, n_resamples=n_resamples)
    n = len(predictions[baseline][0])
    rows = []
    for model in value:
        if model == baseline:
            continue
        resampled = drawn[model] - drawn[baseline]
        mean, p = value[model] - value[baseline], bootstrap_p(resampled)
        known = resampled[~np.isnan(resampled)]
        spread = float(np.std(known)) * np.sqrt(n) if len(known) else np.nan
        bounds = percentile_bounds(resampled)
        rows.append(_row(model, baseline, mean, value[baseline], bounds, p, n, spread))
    return _table(rows)


def resampled_metric(
    predictions: Mapping[str, Sequence[pd.DataFrame]],
    metric: PredictionMetric,
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The metric of each model, and its values on each resample of customers, ``(n_drawn,)``.

    As in `compare_predictions`, it is averaged over seeds, and all models share the resamples.
    """
    first = next(iter(predictions.values()))[0]
    user_ids = first["user_id"].to_numpy()
    label = label_of(first)
    resamples = Resamples(len(label), seed)

    def scores(table: pd.DataFrame) -> np.ndarray:
        by_user = table.set_index("user_id")["prediction"].reindex(user_ids)
        return by_user.to_numpy(dtype=float)

    values, drawn = {}, {}
    for model, tables in predictions.items():
        seeds = [PredictionValues(label, scores(t), [metric], resamples) for t in tables]
        values[model] = float(np.mean([each.of_all([metric])[0] for each in seeds]))
        every = [each.on_resamples(n_resamples)[0] for each in seeds]
        drawn[model] = np.mean(every, axis=0)
    return values, drawn


def mean_bounds(differences: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """The 95 % bounds of the mean of one value a customer, see `jackknife_bounds`."""
    cells = Resamples(len(differences), seed)
    n = cells.sums_by_cell(np.ones(len(differences)))
    total = differences.sum()
    without = divided(total - cells.sums_by_cell(differences), len(differences) - n)
    return jackknife_bounds(float(total / len(differences)) if len(n) else np.nan, without)


def sign_flip_p(
    differences: np.ndarray, *, seed: int = 0, n_flips: int = N_FLIPS, one_sided: bool = False
) -> float:
    """The p value of the sign-flip test: under a mean difference of 0 each pair could as well be swapped.

    Two-sided, or with `one_sided` against a mean above 0. At least 1 / (n_flips + 1), as the observed
    signs are one of the flips; NaN without differences.
    """
    column = np.asarray(differences, dtype=float)[:, None]
    return float(sign_flip_p_values(column, seed=seed, n_flips=n_flips, one_sided=one_sided)[0])


def sign_flip_p_values(
    differences: np.ndarray, *, seed: int = 0, n_flips: int = N_FLIPS, one_sided: bool = False
) -> np.ndarray:
    """`sign_flip_p` of each column of ``(n_pairs, n_tests)``, all with the same flips.

    More pairs than `Resamples` has cells are flipped by cell: the pairs of a cell can be swapped
    together as well as alone.
    """
    n, n_tests = differences.shape
    if not n:
        return np.full(n_tests, np.nan)
    sums = sums_of_pairs(differences, seed)
    n_as_far = np.zeros(n_tests, dtype=np.int64)
    for bits in sign_flips(len(sums), n_flips, seed, n_tests):
        n_as_far += n_as_extreme(bits, sums, one_sided=one_sided)
    return (n_as_far + 1) / (n_flips + 1)


def sums_of_pairs(differences: np.ndarray, seed: int) -> np.ndarray:
    """The sums of differences by cell of customers, ``(n_cells, n_tests)``, see `Resamples`."""
    resamples = Resamples(len(differences), seed)
    columns = [resamples.sums_by_cell(column) for column in differences.T]
    return np.column_stack([np.zeros((resamples.n_cells, 0)), *columns])


def sign_flips(n: int, n_flips: int, seed: int, n_tests: int) -> Iterator[np.ndarray]:
    """Which of `n` pairs keep their sign (1) or not (0) in each flip, ``(n_drawn, n)``, in chunks.

    A chunk and the sums of `n_tests` columns over it fit into `CHUNK_BYTES` each.
    """
    random = random_stream(seed, "sign-flip", n)
    chunk = max(1, CHUNK_BYTES // (8 * max(n, n_tests)))
    for start in range(0, n_flips, chunk):
        size = min(chunk, n_flips - start)
        drawn = random.integers(256, size=(size, (n + 7) // 8), dtype=np.uint8)
        yield np.unpackbits(drawn, axis=1)[:, :n].astype(float)


def n_as_extreme(bits: np.ndarray, differences: np.ndarray, *, one_sided: bool) -> np.ndarray:
    """The number of flips in which a column's sum is at least as far from 0 as without flips."""
    totals = differences.sum(axis=0)
    slack = 1e-9 * np.abs(totals)
    flipped = 2 * (bits @ differences) - totals  # sign = 2 bit - 1
    if one_sided:
        return np.asarray((flipped >= totals - slack).sum(axis=0))
    return np.asarray((np.abs(flipped) >= np.abs(totals) - slack).sum(axis=0))


def bootstrap_p(resampled: np.ndarray, *, one_sided: bool = False) -> float:
    """The p value of a difference of 0 from its paired resamples: twice the smaller tail.

    With `one_sided` against a difference above 0: the lower tail.
    """
    resampled = resampled[~np.isnan(resampled)]
    if not len(resampled):
        return np.nan
    below, above = (resampled <= 0).sum(), (resampled >= 0).sum()
    if one_sided:
        return float((below + 1) / (len(resampled) + 1))
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(resampled) + 1)))


def holm(p: np.ndarray) -> np.ndarray:
    """The p values, adjusted to control the family-wise error rate; NaN is not a test. Holm, 1979.

    >>> holm(np.array([0.01, 0.04, 0.03, 0.005])).round(6).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    adjusted, order = _ascending(p)
    m = len(order)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, p[order] * (m - np.arange(m))))
    return adjusted


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """The p values, adjusted to control the rate of false discoveries; NaN is not a test.

    For exploratory tables, such as one of segments. Benjamini & Hochberg, JRSS B, 1995.

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.005])).round(6).tolist()
    [0.02, 0.04, 0.04, 0.02]
    """
    adjusted, order = _ascending(p)
    m = len(order)
    scaled = p[order] * m / (1 + np.arange(m))
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def minimum_detectable(spread: float, n: int) -> float:
    """The mean difference that `n` pairs with sd `spread` detect with 80 % power at 5 %."""
    return 2.8 * spread / np.sqrt(n) if n else np.nan


def _ascending(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An all-NaN array to fill, and the indices of the p values that are not NaN, in order."""
    known = np.flatnonzero(~np.isnan(p))
    return np.full(len(p), np.nan), known[np.argsort(p[known], kind="stable")]


def _row(
    model: str,
    baseline: str,
    difference: float,
    baseline_value: float,
    bounds: tuple[float, float],
    p: float,
    n: int,
    spread: float,
) -> dict[str, object]:
    low, high = bounds
    relative = 100 * difference / baseline_value if baseline_value else np.nan
    return {
        "model": model,
        "baseline": baseline,
        "difference": difference,
        "low": low,
        "high": high,
        "relative_percent": relative,
        "p": p,
        "n_users": n,
        "minimum_detectable": minimum_detectable(spread, n),
        "underpowered": n < ENOUGH_USERS,
    }


def _table(rows: list[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[c for c in COLUMNS if c != "p_holm"])
    table.insert(COLUMNS.index("p_holm"), "p_holm", holm(table["p"].to_numpy(dtype=float)))
    return table
