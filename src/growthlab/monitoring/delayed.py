"""Predictions that were served, judged once their horizon is over: who did leave, who spent how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import UNKNOWN, codes_of
from growthlab.data.event_log import EventLog
from growthlab.evaluation.bootstrap import metrics_of_predictions
from growthlab.evaluation.outcome import Estimate
from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.metrics.value.spearman import Spearman
from growthlab.metrics.value.total_bias import TotalBias
from growthlab.models.calibrated_estimator import slope_of
from growthlab.monitoring.log_summary import ServedPrediction
from growthlab.tasks.churn import Churn
from growthlab.tasks.value import Value

N_RESAMPLES = 200
SILENCE = timedelta(hours=1)  # a log that ends so shortly before the horizon does reaches it
BINARY, MONEY = (RocAuc(), Brier()), (NormalisedGini(), Spearman(), TotalBias())


@dataclass(frozen=True)
class Delayed:
    """What came of `n` served predictions, and what the same metrics were at export."""

    n: int
    n_without_events: int  # predictions for customers whom the newer log does not have
    now: Mapping[str, Estimate]
    then: Mapping[str, Mapping[str, float | None]]
    n_not_over: int = 0  # predictions whose horizon goes on beyond the newer log

    @property
    def worse(self) -> list[str]:
        """Metrics whose whole interval is worse than the whole interval at export."""
        found = []
        for metric in (*BINARY, *MONEY):
            now, then = self.now.get(metric.name), self.then.get(metric.name, {})
            low, high = then.get("low"), then.get("high")
            if now is None or low is None or high is None:
                continue
            below, above = now.high < low, now.low > high
            if metric.name == TotalBias.name:  # best at 0, for neither sign is better
                worse = (below or above) and abs(now.value) > abs(then["value"] or 0.0)
            else:
                worse = below if metric.larger_is_better else above
            if worse:
                found.append(metric.name)
        return found

    def sentence(self, name: str) -> str:
        """What an alert says of a metric that is worse."""
        now = self.now[name]
        return (
            f"{name} of what was served is {now.value:.3f} [{now.low:.3f}, {now.high:.3f}], worse "
            f"than at export ({self.then[name]['value']:.3f})"
        )


def horizons_of(bundle: Bundle) -> dict[str, tuple[datetime, datetime]]:
    """What each state's predictions for known customers are about, by version: from, and to (exclusive).

    The bundle's own state is the last; those before a refresh begin at their own cutoffs.

    Raises
    ------
    ConfigError
        The pseudonyms cannot be made here, or the bundle makes lists.
    """
    manifest = bundle.manifest
    known_at = manifest.states[manifest.version]
    if bundle.predictor is None or known_at is None or manifest.horizon_days is None:
        raise ConfigError(f"data= judges churn and value; {bundle.folder} answers {manifest.task}")
    if bundle.key is None:
        raise ConfigError(f"data=: {bundle.no_lookup}")
    horizon = timedelta(days=manifest.horizon_days)
    starts = {v: datetime.fromisoformat(cut) for v, cut in manifest.states.items() if cut}
    return {version: (start, start + horizon) for version, start in starts.items()}


def judge(bundle: Bundle, served: Mapping[str, ServedPrediction], events: EventLog) -> Delayed:
    """Judge the predictions of known customers by newer events.

    `served` holds one prediction a pseudonym. They are about the horizon after the cutoff of what
    the bundle knew of its customers when it answered, whenever that was: each is judged by the cutoff
    of the version that made it, and those whose horizon is not over are counted only. Predictions
    from features of a request are about another time and are left out. Whoever was asked about
    counts, while at export only customers who were active did: the two are near each other, not the
    same.

    Raises
    ------
    ConfigError
        See `horizons_of`.
    DataError
        No horizon is over in these events, or none of the customers is in them.
    """
    manifest = bundle.manifest
    over = _over(bundle, served, events)
    assert bundle.key is not None
    due = {user: made for user, made in served.items() if made.version in over}
    users = events.query("SELECT DISTINCT user_id FROM events ORDER BY user_id")
    raw = users["user_id"].to_numpy(dtype=str)
    names = bundle.key.pseudonyms(manifest.namespace, raw)
    order = np.argsort(names)
    places = codes_of(list(due), names[order])
    found = places != UNKNOWN
    if not found.any():
        raise DataError("data=: none of the customers who were answered has events there")
    made = [prediction for prediction, there in zip(due.values(), found, strict=True) if there]
    prediction = np.array([value for value, _ in made])
    label = _label(manifest.task, events, raw[order][places[found]], [over[v] for _, v in made])
    metrics = BINARY if manifest.task == "churn" else MONEY
    now = metrics_of_predictions(label, prediction, metrics, n_resamples=N_RESAMPLES)
    more = {"mean_predicted": float(prediction.mean()), "mean_observed": float(label.mean())}
    if manifest.task == "churn":
        more["calibration_slope"] = slope_of(label, prediction)
    nan = float("nan")
    now = {**now, **{name: Estimate(value, nan, nan) for name, value in more.items()}}
    n_without = int((~found).sum())
    return Delayed(len(made), n_without, now, manifest.metrics, len(served) - len(due))


def _over(
    bundle: Bundle, served: Mapping[str, ServedPrediction], events: EventLog
) -> dict[str, tuple[datetime, datetime]]:
    """The horizons that are over in the events, by version; DataError where none of those served is."""
    horizons = horizons_of(bundle)
    last = events.span()[1]
    asked = horizons.keys() & {made.version for made in served.values()}
    asked = asked or {bundle.manifest.version}
    end = min(horizons[version][1] for version in asked)
    if not isinstance(last, datetime) or last + SILENCE < end:
        raise DataError(
            f"data=: the events end at {last}, and the horizon of {bundle.folder} at {end}: "
            "judge with a newer log"
        )
    return {version: found for version, found in horizons.items() if last + SILENCE >= found[1]}


def _label(
    name: str, events: EventLog, users: np.ndarray, horizons: list[tuple[datetime, datetime]]
) -> np.ndarray:
    """What each customer did in their own horizon, ``(n,)``."""
    task = Churn() if name == "churn" else Value()
    starts = np.array([start for start, _ in horizons], dtype="datetime64[us]")
    label = np.zeros(len(users))
    for start, end in sorted(set(horizons)):
        mine = starts == np.datetime64(start, "us")
        label[mine] = task.outcomes(events, start, end, users[mine])
    return label
