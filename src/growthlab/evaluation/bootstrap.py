"""Metrics with percentile bootstrap intervals over users."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from growthlab.core.seeding import random_stream
from growthlab.evaluation.outcome import Estimate
from growthlab.metrics.predictions import BiasedByResampling, PredictionMetric
from growthlab.metrics.ranking.base import Overall, PerUser, Pooled, RankedLists

N_RESAMPLES = 2000
LEVEL = 0.95
CHUNK_BYTES = 16 * 2**20
CACHE_BYTES = 64 * 2**20  # of resamples, at a byte per row

Ratio = tuple[np.ndarray, np.ndarray]  # numerator and denominator, one entry per row


def evaluate_lists(
    lists: RankedLists,
    metrics: Mapping[str, Any] | Iterable[Any],
    *,
    intervals: bool = True,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> tuple[pd.DataFrame, dict[str, Estimate]]:
    """Every ranking metric of the lists.

    Where rows are steps, values are means over steps, and users are resampled with all their steps.

    Returns
    -------
    per_user : ``user_id`` and one column per per-user metric, NaN where it is undefined for the user
        (see `per_user_table` where rows are steps)
    values : the mean over users with a value, with bounds; metrics of all lists together have no
        bounds
    """
    columns: dict[str, np.ndarray] = {}
    pooled: dict[str, Ratio] = {}
    overall: dict[str, float] = {}
    for metric in metrics.values() if isinstance(metrics, Mapping) else metrics:
        if isinstance(metric, PerUser):
            columns.update(metric.per_user(lists))
        elif isinstance(metric, Pooled):
            pooled.update(metric.parts(lists))
        elif isinstance(metric, Overall):
            overall.update(metric.overall(lists))
        else:
            raise TypeError(f"{type(metric).__name__} has neither per_user, parts nor overall")
    ratios = sums_and_counts(columns.items(), lists.clusters)
    for name, (numerator, denominator) in pooled.items():
        ratios[name] = (
            _sum_clusters(numerator, lists.clusters),
            _sum_clusters(denominator, lists.clusters),
        )
    estimates = ratio_estimates(ratios, seed=seed, n_resamples=n_resamples if intervals else 0)
    estimates.update({name: Estimate(value, np.nan, np.nan) for name, value in overall.items()})
    return per_user_table(lists, columns), estimates


def per_user_table(lists: RankedLists, columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """``user_id`` and the `columns` (one value per row of the lists), one row per user.

    Where rows are steps, a user's value is the linearised mean over steps: with `s` the sum over the
    user's `n` steps, `m` the mean over all steps and `N` the mean number of steps per user, it is
    ``m + (s - m n) / N``. The mean over users is `m`, and differences of two models paired by user
    have the variance of the difference of their means over steps (the delta method for ratios; Deng
    et al., KDD 2018). A user's value may thus be outside the metric's range.
    """
    firsts = np.flatnonzero(np.diff(lists.clusters, prepend=-1))
    table = {"user_id": lists.user_ids[firsts]}
    for name, column in columns.items():
        if len(firsts) == len(column):
            table[name] = column
            continue
        sums, counts = sums_and_counts([(name, column)], lists.clusters)[name]
        mean = _divide(sums.sum(), counts.sum())
        steps = _divide(counts.sum(), (counts > 0).sum().astype(float))
        table[name] = np.where(counts > 0, mean + (sums - mean * counts) / steps, np.nan)
    return pd.DataFrame(table, copy=False)


def mean_estimates(
    values: pd.DataFrame,
    *,
    clusters: np.ndarray | None = None,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """The mean of each column over the rows with a value, with percentile bounds over resampled rows.

    All columns share the resamples; rows of the same of the `clusters` (numbered from 0) are drawn
    together. A column without values is NaN; there are no bounds if `n_resamples` is 0.
    """
    columns = ((str(name), values[name].to_numpy(dtype=float)) for name in values.columns)
    return ratio_estimates(sums_and_counts(columns, clusters), seed=seed, n_resamples=n_resamples)


def ratio_estimates(
    ratios: Mapping[str, Ratio],
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """The sum of each numerator divided by the sum of its denominator, with bounds over resampled rows.

    NaN where the denominator is 0.
    """
    if not ratios:
        return {}
    # many metrics share a denominator: each is summed once
    denominators = {id(denominator): denominator for _, denominator in ratios.values()}
    keys = {key: place for place, key in enumerate(denominators, start=len(ratios))}
    places = np.array([keys[id(denominator)] for _, denominator in ratios.values()])
    columns = [*(numerator for numerator, _ in ratios.values()), *denominators.values()]
    totals = np.array([column.sum() for column in columns])
    values = _divide(totals[: len(ratios)], totals[places])
    resampled = np.full((0, len(ratios)), np.nan)
    if n_resamples and len(columns[0]):
        drawn = resample_counts(len(columns[0]), n_resamples, seed)
        sums = np.concatenate(list(_resampled_sums(drawn, columns)))
        resampled = _divide(sums[:, : len(ratios)], sums[:, places])
    return {
        name: Estimate(float(value), *percentile_bounds(column))
        for name, value, column in zip(ratios, values, resampled.T, strict=True)
    }


def evaluate_predictions(
    label: np.ndarray,
    prediction: np.ndarray,
    metrics: Mapping[str, Any] | Iterable[Any],
    *,
    intervals: bool = True,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """Every metric of the predictions, with percentile bounds over resampled customers.

    A metric with ``biased_by_resampling`` has no bounds: they would not contain its value.

    Raises
    ------
    ValueError
        A prediction is not finite, which is an error of the model.
    """
    label, prediction = np.asarray(label, dtype=float), np.asarray(prediction, dtype=float)
    n_bad = int((~np.isfinite(prediction)).sum())
    if n_bad:
        raise ValueError(f"model output: {n_bad} of {len(prediction)} predictions are not finite")
    # sorted once: every metric sorts by prediction, and a stable sort of sorted rows is linear
    order = np.argsort(prediction, kind="stable")
    label, prediction = label[order], prediction[order]
    listed = list(metrics.values() if isinstance(metrics, Mapping) else metrics)
    n_drawn = n_resamples if intervals and len(label) else 0
    bounded = [m for m in listed if not _has_biased_bounds(m)]
    drawn = [
        [metric(label, prediction, weight) for metric in bounded]
        for counts in resample_counts(len(label), n_drawn, seed)
        for weight in counts
    ]
    columns = np.array(drawn, dtype=float).reshape(len(drawn), len(bounded)).T
    bounds = {m.name: percentile_bounds(column) for m, column in zip(bounded, columns, strict=True)}
    no_bounds = (np.nan, np.nan)
    return {
        metric.name: Estimate(float(metric(label, prediction)), *bounds.get(metric.name, no_bounds))
        for metric in listed
    }


def _has_biased_bounds(metric: PredictionMetric) -> bool:
    return isinstance(metric, BiasedByResampling) and metric.biased_by_resampling


def resample_counts(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of `n` rows is drawn in each resample, ``(n_drawn, n)``, float64, in chunks.

    The same `n` and `seed` give the same resamples, so that two models are paired.
    """
    small = n * n_resamples <= CACHE_BYTES
    for counts in (
        _cached_counts(n, n_resamples, seed) if small else _draw_counts(n, n_resamples, seed)
    ):
        yield counts.astype(float)


@lru_cache(maxsize=4)
def _cached_counts(n: int, n_resamples: int, seed: int) -> list[np.ndarray]:
    """The resamples of `_draw_counts`, which every model and stratum of a comparison shares."""
    return [
        counts.astype(np.min_scalar_type(counts.max()))
        for counts in _draw_counts(n, n_resamples, seed)
    ]


def _draw_counts(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    random = random_stream(seed, "bootstrap", n)
    chunk = max(1, CHUNK_BYTES // (8 * max(n, 1)))
    for start in range(0, n_resamples, chunk):
        size = min(chunk, n_resamples - start)
        drawn = random.integers(n, size=(size, n), dtype=np.int64)
        drawn += np.arange(size)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)


def percentile_bounds(resampled: np.ndarray) -> tuple[float, float]:
    """The bounds of the central 95 % of resampled values; NaN values are left out."""
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _resampled_sums(drawn: Iterable[np.ndarray], columns: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The sum of every column in each resample, ``(n_drawn, n_columns)`` per chunk."""
    if len(columns) * columns[0].nbytes <= CACHE_BYTES:
        stacked = np.column_stack(columns)  # one product is faster than one per column
        for counts in drawn:
            yield counts @ stacked
        return
    for counts in drawn:
        yield np.column_stack([counts @ column for column in columns])


def sums_and_counts(
    columns: Iterable[tuple[str, np.ndarray]], clusters: np.ndarray | None = None
) -> dict[str, Ratio]:
    """Each column's values and their number, summed by row or by cluster of rows.

    To save memory, as a million users have a column per metric, columns that are defined for the
    same rows share their counts, and a column without NaN is not copied.
    """
    ratios: dict[str, Ratio] = {}
    shared: dict[tuple[int, bytes], np.ndarray] = {}
    for name, column in columns:
        defined = ~np.isnan(column)
        whole = bool(defined.all())
        sums = column if whole else np.where(defined, column, 0.0)
        key = len(column), b"" if whole else hashlib.sha256(np.packbits(defined).tobytes()).digest()
        if key not in shared:
            counts = np.broadcast_to(1.0, column.shape) if whole else defined.astype(float)
            shared[key] = _sum_clusters(counts, clusters)
        ratios[name] = _sum_clusters(sums, clusters), shared[key]
    return ratios


def _sum_clusters(values: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """The sum of each cluster of rows."""
    if clusters is None or not len(clusters) or clusters[-1] + 1 == len(clusters):
        return values
    return np.bincount(clusters, weights=values)


def _divide(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sums divided by counts, NaN where the count is 0."""
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
