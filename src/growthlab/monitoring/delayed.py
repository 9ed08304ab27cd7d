"""Predictions that were served, judged once their horizon is over: who did leave, who spent how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import UNKNOWN, codes_of
from growthlab.data.event_log import EventLog
from growthlab.evaluation.bootstrap import metrics_of_predictions
from growthlab.evaluation.outcome import Estimate
from growthlab.export.bundle import Bundle
from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.metrics.value.spearman import Spearman
from growthlab.metrics.value.total_bias import TotalBias
from growthlab.models.calibration import slope_of
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


def horizon_of(bundle: Bundle) -> tuple[datetime, datetime]:
    """What the predictions for known customers are about: from (inclusive) and to (exclusive).

    Raises
    ------
    ConfigError
        The pseudonyms cannot be made here, or the bundle makes lists.
    """
    manifest = bundle.manifest
    known_at = manifest.state_cutoff or manifest.cutoff
    if bundle.predictor is None or known_at is None or manifest.horizon_days is None:
        raise ConfigError(f"data= judges churn and value; {bundle.folder} answers {manifest.task}")
    if bundle.key is None:
        raise ConfigError(f"data=: {bundle.no_lookup}")
    start = datetime.fromisoformat(known_at)
    return start, start + timedelta(days=manifest.horizon_days)


def judge(bundle: Bundle, served: Mapping[str, float], events: EventLog) -> Delayed:
    """Judge the predictions of known customers by newer events.

    `served` holds one prediction a pseudonym. They are about the horizon after the cutoff of what
    the bundle knows of its customers, whenever they were asked for. Predictions from features of a
    request are about another time and are left out. Whoever was asked about counts, while at export
    only customers who were active did: the two are near each other, not the same.

    Raises
    ------
    ConfigError
        See `horizon_of`.
    DataError
        The horizon is not over in these events, or none of the customers is in them.
    """
    manifest = bundle.manifest
    start, end = horizon_of(bundle)
    assert bundle.key is not None
    last = events.span()[1]
    if not isinstance(last, datetime) or last + SILENCE < end:
        raise DataError(
            f"data=: the events end at {last}, and the horizon of {bundle.folder} at {end}: "
            "judge with a newer log"
        )
    users = events.query("SELECT DISTINCT user_id FROM events ORDER BY user_id")
    raw = users["user_id"].to_numpy(dtype=str)
    names = bundle.key.pseudonyms(manifest.namespace, raw)
    order = np.argsort(names)
    places = codes_of(list(served), names[order])
    found = places != UNKNOWN
    if not found.any():
        raise DataError("data=: none of the customers who were answered has events there")
    prediction = np.array(list(served.values()))[found]
    task = Churn() if manifest.task == "churn" else Value()
    label = task.outcomes(events, start, end, raw[order][places[found]])
    metrics = BINARY if manifest.task == "churn" else MONEY
    now = metrics_of_predictions(label, prediction, metrics, n_resamples=N_RESAMPLES)
    more = {"mean_predicted": float(prediction.mean()), "mean_observed": float(label.mean())}
    if manifest.task == "churn":
        more["calibration_slope"] = slope_of(label, prediction)
    nan = float("nan")
    now = {**now, **{name: Estimate(value, nan, nan) for name, value in more.items()}}
    return Delayed(int(found.sum()), int((~found).sum()), now, manifest.metrics)
