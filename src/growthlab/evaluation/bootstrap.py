"""Metrics with 95 % intervals over users."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from growthlab.evaluation.intervals import (
    NO_BOUNDS,
    is_rough,
    jackknife_bounds,
    unless_without_width,
)
from growthlab.evaluation.outcome import Estimate
from growthlab.evaluation.prediction_values import PredictionValues
from growthlab.evaluation.resamples import N_RESAMPLES, Resamples
from growthlab.metrics.predictions import BiasedByResampling, PredictionMetric
from growthlab.metrics.ranking.base import Overall, PerUser, Pooled, RankedLists
from growthlab.metrics.weighted_rows import divided

Ratio = tuple[np.ndarray, np.ndarray]  # numerator and denominator, one entry per row


def evaluate_lists(
    lists: RankedLists,
    metrics: Mapping[str, Any] | Iterable[Any],
    *,
    intervals: bool = True,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> tuple[pd.DataFrame, dict[str, Estimate], frozenset[str]]:
    """Every ranking metric of the lists.

    Where rows are steps, values are means over steps, and bounds are over users with all their steps.

    Returns
    -------
    per_user : ``user_id`` and one column per per-user metric, NaN where it is undefined for the user
        (see `per_user_table` where rows are steps)
    values : the mean over users with a value, with bounds; metrics of all lists together have no
        bounds
    rough : the names of the metrics with rough bounds, see `is_rough`
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
    n_resamples = n_resamples if intervals else 0
    estimates = ratio_estimates(ratios, seed=seed, n_resamples=n_resamples)
    estimates.update({name: Estimate(value, np.nan, np.nan) for name, value in overall.items()})
    rough = rough_ratios(ratios) if n_resamples else frozenset()
    return per_user_table(lists, columns), estimates, rough


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
        mean = divided(sums.sum(), counts.sum())
        steps = divided(counts.sum(), (counts > 0).sum().astype(float))
        table[name] = np.where(counts > 0, mean + (sums - mean * counts) / steps, np.nan)
    return pd.DataFrame(table, copy=False)


def mean_estimates(
    values: pd.DataFrame,
    *,
    clusters: np.ndarray | None = None,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """The mean of each column over the rows with a value, with bounds.

    Rows of the same of the `clusters` (numbered from 0) are one customer. A column without values is
    NaN; there are no bounds if `n_resamples` is 0.
    """
    columns = ((str(name), values[name].to_numpy(dtype=float)) for name in values.columns)
    return ratio_estimates(sums_and_counts(columns, clusters), seed=seed, n_resamples=n_resamples)


def ratio_estimates(
    ratios: Mapping[str, Ratio],
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """The sum of each numerator divided by the sum of its denominator, with bounds over the rows.

    NaN where the denominator is 0; see `jackknife_bounds`. No bounds if `n_resamples` is 0.
    """
    if not ratios:
        return {}
    # many metrics share a denominator: each is summed once
    denominators = {id(denominator): denominator for _, denominator in ratios.values()}
    keys = {key: place for place, key in enumerate(denominators, start=len(ratios))}
    places = np.array([keys[id(denominator)] for _, denominator in ratios.values()])
    columns = [*(numerator for numerator, _ in ratios.values()), *denominators.values()]
    totals = np.array([column.sum() for column in columns])
    values = divided(totals[: len(ratios)], totals[places])
    if not n_resamples:
        return {
            name: Estimate(float(v), *NO_BOUNDS) for name, v in zip(ratios, values, strict=True)
        }
    cells = Resamples(len(columns[0]), seed)
    by_cell = [cells.sums_by_cell(column) for column in columns]
    estimates = {}
    for place, (name, value) in enumerate(zip(ratios, values, strict=True)):
        below = by_cell[places[place]]
        drawn = below > 0
        above, below = by_cell[place][drawn], below[drawn]
        without = divided(totals[place] - above, totals[places[place]] - below)
        low, high = unless_without_width(jackknife_bounds(value, without))
        shares = divided(above, below)  # a mean is between the least and the largest
        low, high = max(low, shares.min(initial=np.inf)), min(high, shares.max(initial=-np.inf))
        estimates[name] = Estimate(float(value), float(low), float(high))
    return estimates


def evaluate_predictions(
    label: np.ndarray,
    prediction: np.ndarray,
    metrics: Mapping[str, Any] | Iterable[Any],
    *,
    intervals: bool = True,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """Every metric of the predictions, with bounds over customers.

    A metric of sums has those of `jackknife_bounds`, one with ``raised_by_resampling`` those of
    `bias_corrected_bounds`, any other those of `percentile_bounds`. A metric with
    ``biased_by_resampling`` has no bounds: they would not contain its value.

    Raises
    ------
    ValueError
        A prediction is not finite, which is an error of the model.
    """
    return evaluate_subset(
        label,
        prediction,
        metrics,
        Resamples(len(label), seed),
        n_resamples=n_resamples if intervals else 0,
    )


def rough_predictions(
    label: np.ndarray,
    prediction: np.ndarray,
    metrics: Mapping[str, Any] | Iterable[Any],
    *,
    seed: int = 0,
) -> frozenset[str]:
    """The names of the metrics of the predictions whose bounds are rough, see `is_rough`."""
    listed = list(metrics.values() if isinstance(metrics, Mapping) else metrics)
    bounded = [m for m in listed if not _has_biased_bounds(m)]
    label, prediction = np.asarray(label, dtype=float), np.asarray(prediction, dtype=float)
    return PredictionValues(label, prediction, bounded, Resamples(len(label), seed)).rough()


def rough_ratios(ratios: Mapping[str, Ratio]) -> frozenset[str]:
    """The names of the ratios of `ratio_estimates` whose bounds over the rows are rough, see `is_rough`."""
    rough = set()
    for name, (numerator, denominator) in ratios.items():
        counted = denominator > 0
        above, below = numerator[counted], denominator[counted]
        n, total = len(below), below.sum()
        value = divided(above.sum(), total)
        # by the delta method, a row changes the value by this over the number of rows, but for a constant
        if n == 0 or is_rough(value + (above - value * below) / (total / n), n):
            rough.add(name)
    return frozenset(rough)


def evaluate_subset(
    label: np.ndarray,
    prediction: np.ndarray,
    metrics: Mapping[str, Any] | Iterable[Any],
    resamples: Resamples,
    rows: np.ndarray | None = None,
    *,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """`evaluate_predictions` for the customers at `rows`, a stratum of those who are resampled.

    `label` and `prediction` are theirs. All strata share the resamples, as all models do; the size of
    a stratum differs between resamples.
    """
    label, prediction = np.asarray(label, dtype=float), np.asarray(prediction, dtype=float)
    n_bad = int((~np.isfinite(prediction)).sum())
    if n_bad:
        raise ValueError(f"model output: {n_bad} of {len(prediction)} predictions are not finite")
    listed = list(metrics.values() if isinstance(metrics, Mapping) else metrics)
    bounded = [m for m in listed if not _has_biased_bounds(m)]
    values = PredictionValues(label, prediction, bounded, resamples, rows)
    of_all = values.of_all(listed)
    bounds = values.bounds(n_resamples)
    return {
        metric.name: Estimate(value, *bounds.get(metric.name, NO_BOUNDS))
        for metric, value in zip(listed, of_all, strict=True)
    }


def _has_biased_bounds(metric: PredictionMetric) -> bool:
    return isinstance(metric, BiasedByResampling) and metric.biased_by_resampling


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
