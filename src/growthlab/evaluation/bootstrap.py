"""Metrics with percentile bootstrap intervals over users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from growthlab.core.seeding import stream
from growthlab.evaluation.outcome import Estimate
from growthlab.metrics.ranking.base import Overall, PerUser, Pooled, RankedLists

N_RESAMPLES = 2000
LEVEL = 0.95
CHUNK_BYTES = 64 * 2**20


def metrics_of(
    lists: RankedLists,
    metrics: Mapping[str, Any] | Iterable[Any],
    *,
    intervals: bool = True,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> tuple[pd.DataFrame, dict[str, Estimate]]:
    """Every ranking metric of the lists.

    Returns
    -------
    per_user : ``user_id`` and one column a per-user metric, NaN where it is undefined for the user
    values : the mean over the users who have a value, with bounds; metrics of all lists together
    have none
    """
    columns: dict[str, np.ndarray] = {}
    pooled: dict[str, tuple[np.ndarray, np.ndarray]] = {}
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
    per_user = pd.DataFrame(columns)
    n_drawn = n_resamples if intervals else 0
    estimates = means_of(per_user, seed=seed, n_resamples=n_drawn)
    estimates.update(ratios_of(pooled, seed=seed, n_resamples=n_drawn))
    estimates.update({name: Estimate(value, np.nan, np.nan) for name, value in overall.items()})
    per_user.insert(0, "user_id", lists.user_ids)
    return per_user, estimates


def means_of(
    values: pd.DataFrame, *, seed: int = 0, n_resamples: int = N_RESAMPLES
) -> dict[str, Estimate]:
    """The mean of each column over the rows that have a value, with percentile bounds over
    resampled rows.

    All columns share the resamples. A column without any value is NaN; no bounds where
    `n_resamples` is 0.
    """
    parts = {}
    for name in values.columns:
        column = values[name].to_numpy(dtype=float)
        defined = ~np.isnan(column)
        parts[str(name)] = np.where(defined, column, 0.0), defined.astype(float)
    return ratios_of(parts, seed=seed, n_resamples=n_resamples)


def ratios_of(
    parts: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Estimate]:
    """Sums of one part over sums of the other (one entry a row each), bounds over resampled rows.

    NaN where the lower sum is 0.
    """
    if not parts:
        return {}
    above, below = (np.column_stack(side) for side in zip(*parts.values(), strict=True))
    values = _ratio(above.sum(axis=0), below.sum(axis=0))
    resampled = np.full((0, len(parts)), np.nan)
    if n_resamples and len(above):
        drawn = resample_counts(len(above), n_resamples, seed)
        resampled = np.concatenate([_ratio(counts @ above, counts @ below) for counts in drawn])
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
    drawn = [
        [metric(label, prediction, weight) for metric in listed]
        for counts in resample_counts(len(label), n_drawn, seed)
        for weight in counts
    ]
    columns = np.array(drawn, dtype=float).reshape(-1, len(listed)).T
    return {
        metric.name: Estimate(float(metric(label, prediction)), *bounds_of(column))
        for metric, column in zip(listed, columns, strict=True)
    }


def resample_counts(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of `n` rows is drawn in each resample, ``(n_drawn, n)``, float64, in chunks.

    The same `n` and `seed` give the same resamples: that is what pairs two models.
    """
    random = stream(seed, "bootstrap", n)
    chunk = max(1, CHUNK_BYTES // (8 * max(n, 1)))
    for start in range(0, n_resamples, chunk):
        size = min(chunk, n_resamples - start)
        drawn = random.integers(n, size=(size, n), dtype=np.int64)
        drawn += np.arange(size)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(float)


def bounds_of(resampled: np.ndarray) -> tuple[float, float]:
    """The central 95 % of resampled values; a resample without a value is left out."""
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means, NaN where nothing was counted."""
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
