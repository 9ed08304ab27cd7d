"""Served predictions evaluated once their horizon is over: who did leave, who spent how much."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import UNKNOWN, codes_of
from growthlab.data.event_log import EventLog
from growthlab.evaluation.bootstrap import evaluate_predictions
from growthlab.metrics.predictions import PredictionMetric
from growthlab.metrics.value.total_bias import TotalBias
from growthlab.monitoring.delayed import DelayedEvaluation, MetricWithBounds
from growthlab.monitoring.log_summary import ServedPrediction
from growthlab.tasks.customer_task import CustomerTask

N_RESAMPLES = 200
SILENCE = timedelta(hours=1)  # a log that ends this shortly before the horizon still covers it
BEST_AT_ZERO = (TotalBias.name,)  # neither sign is better

Horizon = tuple[datetime, datetime]  # from (inclusive), to (exclusive)


def horizons_of(bundle: Bundle) -> dict[str, Horizon]:
    """The horizon that each state's predictions for known customers are about, by version.

    The bundle's own state is the last; the states before a refresh begin at their own cutoffs.

    Raises
    ------
    ConfigError
        The bundle gives lists, its predictions are about no time, or the pseudonyms cannot be
        computed without its key.
    """
    manifest = bundle.manifest
    known_at = manifest.states[manifest.version]
    if bundle.predictor is None:
        raise ConfigError(
            f"data= evaluates predictions for customers; {bundle.folder} answers {manifest.task}"
        )
    if known_at is None or manifest.horizon_days is None:
        raise ConfigError(
            f"data= evaluates predictions about the time after a date, and those of {bundle.folder} are "
            "from data without dates or without a horizon"
        )
    if bundle.key is None:
        raise ConfigError(f"data=: {bundle.no_lookup}")
    horizon = timedelta(days=manifest.horizon_days)
    starts = {v: datetime.fromisoformat(cut) for v, cut in manifest.states.items() if cut}
    return {version: (start, start + horizon) for version, start in starts.items()}


def evaluate_delayed(
    task: CustomerTask, bundle: Bundle, served: Mapping[str, ServedPrediction], events: EventLog
) -> DelayedEvaluation:
    """Evaluate the served predictions of known customers by newer events.

    `task` is the one that the bundle answers; `served` holds one prediction a pseudonym. A prediction
    is about the horizon after the cutoff of the state that made it, whenever it was asked for; those
    whose horizon is not over are only counted. Predictions from features of a request are about
    another time and are left out. Every customer who was asked about counts, while at export only
    customers who were active did: the two are near each other, not the same.

    Raises
    ------
    ConfigError
        See `horizons_of`.
    DataError
        No horizon is over in these events, or none of the customers is in them.
    """
    over = _horizons_over(bundle, served, events)
    assert bundle.names is not None
    due = {user: made for user, made in served.items() if made.version in over}
    users = events.query("SELECT DISTINCT user_id FROM events ORDER BY user_id")
    user_ids = users["user_id"].to_numpy(dtype=str)
    names = bundle.names.of_data(user_ids)
    order = np.argsort(names)
    places = codes_of(list(due), names[order])
    known = places != UNKNOWN
    if not known.any():
        raise DataError("data=: none of the customers who were answered has events there")
    made = [
        prediction for prediction, is_known in zip(due.values(), known, strict=True) if is_known
    ]
    prediction = np.array([value for value, _ in made])
    horizons = [over[version] for _, version in made]
    label = _label(task, events, user_ids[order][places[known]], horizons)
    estimates = evaluate_predictions(
        label, prediction, task.delayed_metrics, n_resamples=N_RESAMPLES
    )
    now = {name: MetricWithBounds(*estimate) for name, estimate in estimates.items()}
    figures = {"mean_predicted": float(prediction.mean()), "mean_observed": float(label.mean())}
    figures |= task.delayed_values(label, prediction)
    now |= {name: MetricWithBounds(value, np.nan, np.nan) for name, value in figures.items()}
    then = bundle.manifest.metrics
    return DelayedEvaluation(
        n=len(made),
        n_without_events=int((~known).sum()),
        now=now,
        then=then,
        n_not_over=len(served) - len(due),
        worse=list(worse_metrics(task.delayed_metrics, now, then)),
    )


def worse_metrics(
    metrics: Sequence[PredictionMetric],
    now: Mapping[str, MetricWithBounds],
    then: Mapping[str, Mapping[str, float | None]],
) -> Iterator[str]:
    """The names of metrics whose whole interval now is worse than the whole interval at export.

    A value without an interval, as where all predictions have become equal, stands for itself.
    """
    for metric in metrics:
        measured, at_export = now.get(metric.name), then.get(metric.name, {})
        low, high = at_export.get("low"), at_export.get("high")
        if measured is None or low is None or high is None:
            continue
        lowest, highest = (
            measured.value if math.isnan(bound) else bound
            for bound in (measured.low, measured.high)
        )
        below, above = highest < low, lowest > high
        if metric.name in BEST_AT_ZERO:
            worse = (below or above) and abs(measured.value) > abs(at_export["value"] or 0.0)
        else:
            worse = below if metric.larger_is_better else above
        if worse:
            yield metric.name


def _horizons_over(
    bundle: Bundle, served: Mapping[str, ServedPrediction], events: EventLog
) -> dict[str, Horizon]:
    """The horizons that are over in the events, by version; DataError where no served one is."""
    horizons = horizons_of(bundle)
    last = events.span()[1]
    versions = horizons.keys() & {made.version for made in served.values()}
    versions = versions or {bundle.manifest.version}
    end = min(horizons[version][1] for version in versions)
    if not isinstance(last, datetime) or last + SILENCE < end:
        raise DataError(
            f"data=: the events end at {last}, and the horizon of {bundle.folder} at {end}: "
            "evaluate with a newer log"
        )
    return {v: horizon for v, horizon in horizons.items() if last + SILENCE >= horizon[1]}


def _label(
    task: CustomerTask, events: EventLog, users: np.ndarray, horizons: list[Horizon]
) -> np.ndarray:
    """What each customer did in their own horizon, ``(n,)``."""
    starts = np.array([start for start, _ in horizons], dtype="datetime64[us]")
    label = np.zeros(len(users))
    for start, end in sorted(set(horizons)):
        rows = starts == np.datetime64(start, "us")
        label[rows] = task.outcomes(events, start, end, users[rows])
    return label
