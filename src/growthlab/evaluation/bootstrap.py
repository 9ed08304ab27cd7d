"""Metrics with percentile bootstrap intervals over users."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from growthlab.core.seeding import stream
from growthlab.evaluation.outcome import Estimate
from growthlab.metrics.predictions import BiasedByResampling, PredictionMetric
from growthlab.metrics.ranking.base import Overall, PerUser, Pooled, RankedLists

N_RESAMPLES = 2000
LEVEL = 0.95
CHUNK_BYTES = 16 * 2**20
KEPT_BYTES = 64 * 2**20  # of resamples, a byte a row

Parts = tuple[np.ndarray, np.ndarray]  # what each row adds above the line and below it


def metrics_of(
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
    per_user : ``user_id`` and one column a per-user metric, NaN where it is undefined for the user
        (see `by_user` where rows are steps)
    values : the mean over the users who have a value, with bounds; metrics of all lists together
        have none
    """
    columns: dict[str, np.ndarray] = {}
    pooled: dict[str, Parts] = {}
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
    parts = parts_of(columns.items(), lists.clusters)
    for name, (above, below) in pooled.items():
        parts[name] = _summed(above, lists.clusters), _summed(below, lists.clusters)
    estimates = ratios_of(parts, seed=seed, n_resamples=n_resamples if intervals else 0)
    estimates.update({name: Estimate(value, np.nan, np.nan) for name, value in overall.items()})
    return by_user(lists, columns), estimates


def by_user(lists: RankedLists, columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """``user_id`` and the `columns` (one value a row of the lists), one row a user.

    Where rows are steps, a user's value is that of the linearised mean over steps: with `s` the sum
    over the user's `n` steps, `m` the mean over all steps and `N` the mean steps a user, it is
    ``m + (s - m n) / N``. The mean over users is `m`, and differences of two models, paired by user,
    vary as the difference of their means over steps does (the delta method for ratios; Deng et al.,
    KDD 2018). A single value may thus lie outside the metric's range.
    """
    firsts = np.flatnonzero(np.diff(lists.clusters, prepend=-1))
    table = {"user_id": lists.user_ids[firsts]}
    for name, column in columns.items():
        if len(firsts) == len(column):
            table[name] = column
            continue
        above, below = parts_of([(name, column)], lists.clusters)[name]
        mean = _ratio(above.sum(), below.sum())
        steps = _ratio(below.sum(), (below > 0).sum().astype(float))
        table[name] = np.where(below > 0, mean + (above - mean * below) / steps, np.nan)
    return pd.DataFrame(table, copy=False)


def means_of(
    values: pd.DataFrame,
    *,
    clusters: np.ndarray | None = None,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """The mean of each column over the rows that have a value, with percentile bounds over
    resampled rows.

    All columns share the resamples; rows of one of the `clusters` (numbered from 0) are drawn
    together. A column without any value is NaN; no bounds where `n_resamples` is 0.
    """
    columns = ((str(name), values[name].to_numpy(dtype=float)) for name in values.columns)
    return ratios_of(parts_of(columns, clusters), seed=seed, n_resamples=n_resamples)


def ratios_of(
    parts: Mapping[str, Parts],
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """Sums of one part over sums of the other (one entry a row each), bounds over resampled rows.

    NaN where the lower sum is 0.
    """
    if not parts:
        return {}
    # many metrics divide by the same counts: each is summed once
    lower = {id(below): below for _, below in parts.values()}
    keys = {key: place for place, key in enumerate(lower, start=len(parts))}
    places = np.array([keys[id(below)] for _, below in parts.values()])
    columns = [*(above for above, _ in parts.values()), *lower.values()]
    totals = np.array([column.sum() for column in columns])
    values = _ratio(totals[: len(parts)], totals[places])
    resampled = np.full((0, len(parts)), np.nan)
    if n_resamples and len(columns[0]):
        drawn = resample_counts(len(columns[0]), n_resamples, seed)
        sums = np.concatenate(list(_sums_of(drawn, columns)))
        resampled = _ratio(sums[:, : len(parts)], sums[:, places])
    return {
        name: Estimate(float(value), *bounds_of(column))
        for name, value, column in zip(parts, values, resampled.T, strict=True)
    }


def metrics_of_predictions(
    label: np.ndarray,
    prediction: np.ndarray,
    metrics: Mapping[str, Any] | Iterable[Any],
    *,
    intervals: bool = True,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """Every metric of the predictions, with percentile bounds over resampled customers.

    A metric that says ``biased_by_resampling`` has none: its bounds would not hold its value.

    Raises
    ------
    ValueError
        Where a prediction is not finite: a fault of the model, not of its user.
    """
    label, prediction = np.asarray(label, dtype=float), np.asarray(prediction, dtype=float)
    n_bad = int((~np.isfinite(prediction)).sum())
    if n_bad:
        raise ValueError(f"model output: {n_bad} of {len(prediction)} predictions are not finite")
    # Sorted once: every metric sorts by prediction, and a stable sort of sorted rows is linear.
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
    bounds = {m.name: bounds_of(column) for m, column in zip(bounded, columns, strict=True)}
    nothing = (np.nan, np.nan)
    return {
        metric.name: Estimate(float(metric(label, prediction)), *bounds.get(metric.name, nothing))
        for metric in listed
    }


def _has_biased_bounds(metric: PredictionMetric) -> bool:
    return isinstance(metric, BiasedByResampling) and metric.biased_by_resampling


def resample_counts(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of `n` rows is drawn in each resample, ``(n_drawn, n)``, float64, in chunks.

    The same `n` and `seed` give the same resamples: that is what pairs two models.
    """
    small = n * n_resamples <= KEPT_BYTES
    for counts in _kept_counts(n, n_resamples, seed) if small else _drawn(n, n_resamples, seed):
        yield counts.astype(float)


@lru_cache(maxsize=4)
def _kept_counts(n: int, n_resamples: int, seed: int) -> list[np.ndarray]:
    """The resamples of `_drawn`: every model and stratum of a comparison asks for the same."""
    return [
        counts.astype(np.min_scalar_type(counts.max())) for counts in _drawn(n, n_resamples, seed)
    ]


def _drawn(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    random = stream(seed, "bootstrap", n)
    chunk = max(1, CHUNK_BYTES // (8 * max(n, 1)))
    for start in range(0, n_resamples, chunk):
        size = min(chunk, n_resamples - start)
        drawn = random.integers(n, size=(size, n), dtype=np.int64)
        drawn += np.arange(size)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)


def bounds_of(resampled: np.ndarray) -> tuple[float, float]:
    """The central 95 % of resampled values; a resample without a value is left out."""
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _sums_of(drawn: Iterable[np.ndarray], columns: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The sum of every column in each resample, ``(n_drawn, n_columns)`` a chunk."""
    if len(columns) * columns[0].nbytes <= KEPT_BYTES:
        stacked = np.column_stack(columns)  # one product is faster than one a column
        for counts in drawn:
            yield counts @ stacked
        return
    for counts in drawn:
        yield np.column_stack([counts @ column for column in columns])


def parts_of(
    columns: Iterable[tuple[str, np.ndarray]], clusters: np.ndarray | None = None
) -> dict[str, Parts]:
    """What each row, or cluster of rows, adds to the sum of each column's values and to their number.

    Columns that are defined for the same rows share their counts, one without a gap is not copied,
    and none is held longer than it takes: a million users have a column a metric.
    """
    parts: dict[str, Parts] = {}
    shared: dict[tuple[int, bytes], np.ndarray] = {}
    for name, column in columns:
        defined = ~np.isnan(column)
        whole = bool(defined.all())
        above = column if whole else np.where(defined, column, 0.0)
        key = len(column), b"" if whole else hashlib.sha256(np.packbits(defined).tobytes()).digest()
        if key not in shared:
            below = np.broadcast_to(1.0, column.shape) if whole else defined.astype(float)
            shared[key] = _summed(below, clusters)
        parts[name] = _summed(above, clusters), shared[key]
    return parts


def _summed(part: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """The sum of each cluster."""
    if clusters is None or not len(clusters) or clusters[-1] + 1 == len(clusters):
        return part
    return np.bincount(clusters, weights=part)


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means, NaN where nothing was counted."""
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
