"""Will this customer leave: no purchase within the horizon after the cutoff."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from growthlab.bundle.answer_kinds import AnswerKind, TaskAnswer
from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.evaluation.outcome import Estimate, ModelEvaluation
from growthlab.features.examples import Examples
from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.predictions import (
    OfProbabilities,
    PredictionMetric,
    are_probabilities,
    equal_mass_bins,
    group_by_prediction,
)
from growthlab.models.calibrated_estimator import (
    CHOICES,
    CalibratedEstimator,
    calibration_of,
    slope_of,
)
from growthlab.models.table_estimator import wrap
from growthlab.scorers.calibrated_rows import CalibrationMap
from growthlab.split.fold import Fold
from growthlab.tasks.customers import CustomerTask
from growthlab.tasks.snapshots import CustomerData, within

log = logging.getLogger(__name__)

GIVEAWAY_AUC = 0.95


@dataclass(frozen=True, kw_only=True)
class Churn(CustomerTask):
    """Probability of no purchase in ``[cutoff, cutoff + horizon)``, for customers who were active.

    The objective is ROC AUC: it asks for the order of risk, which a campaign needs, does not depend
    on how many leave, and so compares cutoffs; calibration is shown beside it.

    Every model is calibrated on the validation window, which its fit for choosing has not seen:
    `calibration` is ``auto`` (isotonic from 1000 leavers and stayers on, else Platt's), one of the
    two, or ``none``. The model that is fitted again on everything before the cutoff keeps that map;
    what it said before is in the column ``uncalibrated`` of the predictions, and in the metrics
    that end so. Validation metrics are those before calibration.
    """

    answer: ClassVar[TaskAnswer] = TaskAnswer(
        kind=AnswerKind.PROBABILITY,
        endpoint="churn",
        field="churn_probability",
        summary="The probability that a customer buys nothing within the horizon.",
        intended_use="Gives the probability that a customer buys nothing within the horizon.",
        caveat="It says who may leave, not whom a contact would keep: that needs an experiment.",
    )
    delayed_metrics: ClassVar[tuple[PredictionMetric, ...]] = (RocAuc(), Brier())

    objective: str = "roc_auc"
    calibration: str = "auto"
    baselines: tuple[str, ...] = ("recency_rule", "bg_nbd")
    name: str = "churn"
    models: str = "churn"
    metrics: str = "binary"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.calibration not in CHOICES:
            possible = ", ".join(CHOICES)
            raise ConfigError(f"task.calibration={self.calibration}: possible are {possible}")

    def data(self, fold: Fold, known: CustomerData | None = None) -> CustomerData:
        """Customers with features and labels.

        Logged are the share of leavers, without which average precision and lift say little, and a
        feature that gives the label away.
        """
        data = super().data(fold, known)
        if data.train.target is not None and len(data.train):
            log.info("task=%s: %.1f %% of the examples leave", self.name, 100 * data.base)
        for column in giveaways(data.train):
            log.warning("feature %s alone tells who leaves: does it look ahead?", column)
        return data

    def outcomes(
        self, events: EventLog, start: datetime, end: datetime, user_ids: np.ndarray
    ) -> np.ndarray:
        """1 where the customer buys nothing in the window, else 0."""
        bought = f"event_type = 'purchase' AND {within(start, end)}"
        stayed = events.query(f"SELECT DISTINCT user_id FROM events WHERE {bought}")
        return (~np.isin(user_ids, stayed["user_id"].to_numpy(dtype=str))).astype(np.float64)

    def calibration_of(self, judged: ModelEvaluation) -> dict[str, Any] | None:
        """The map that makes the predictions hold on the judged window; None: they are no probabilities."""
        label, p = judged.per_user["label"].to_numpy(), judged.per_user["prediction"].to_numpy()
        if not are_probabilities(p):
            return None
        found = calibration_of(label, p, self.calibration)
        return None if found is None else found.to_json()

    def calibrated(self, model: Any, calibration: Mapping[str, Any]) -> CalibratedEstimator:
        """The fitted model with that map."""
        return CalibratedEstimator(wrap(model), CalibrationMap.from_json(calibration))

    def completed(
        self, judged: ModelEvaluation, model: Any, data: CustomerData, metrics: Mapping[str, Any]
    ) -> ModelEvaluation:
        """With the metrics of a calibrated model also before it.

        The tables ``deciles`` and ``calibration`` say how the leavers lie in the tenths of the
        ranking, and what the calibration changed.
        """
        label, p = judged.per_user["label"].to_numpy(), judged.per_user["prediction"].to_numpy()
        tables = {**judged.tables, "deciles": deciles(label, p)}
        if not isinstance(model, CalibratedEstimator):
            return replace(judged, tables=tables)
        raw = model.model.predict(data.judged)
        predictions = judged.per_user.assign(uncalibrated=raw)
        changed = {
            m.name: m
            for m in metrics.values()
            if isinstance(m, OfProbabilities) and m.of_probabilities
        }
        before = {n: float(m(label, raw)) for n, m in changed.items()}
        after = {n: judged.values[n].value for n in changed}
        slopes = ("calibration_slope", slope_of(label, raw), slope_of(label, p))
        rows = [*((n, before[n], after[n]) for n in changed), slopes]
        log.info("calibrated (%s): %s", model.calibration.method, _changes(rows))
        values = {f"{n}_uncalibrated": Estimate(v, np.nan, np.nan) for n, v in before.items()}
        tables |= {
            "predictions": predictions,
            "calibration": pd.DataFrame(rows, columns=["metric", "before", "after"]),
        }
        return replace(judged, values=judged.values | values, per_user=predictions, tables=tables)

    def delayed_figures(self, label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        """The slope of the calibration: 1 where the probabilities hold."""
        return {"calibration_slope": slope_of(label, prediction)}

    def guess(self, customers: Examples) -> float:
        """The share of customers without a purchase in a horizon up to now."""
        return float((customers.table["days_since_last"] >= customers.horizon_days).mean())


def giveaways(train: Examples) -> list[str]:
    """The numeric features that rank the labels with a ROC AUC above 0.95 all by themselves.

    None where there are fewer than 100 examples, of which some feature would do so by chance.
    """
    if train.target is None or len(train) < 100:
        return []
    auc, found = RocAuc(), []
    numeric = train.table.select_dtypes("number")
    for column, values in numeric.fillna(numeric.median()).fillna(0.0).items():
        value = auc(train.target, values.to_numpy())
        if max(value, 1 - value) > GIVEAWAY_AUC:
            found.append(str(column))
    return found


def deciles(label: np.ndarray, prediction: np.ndarray) -> pd.DataFrame:
    """The tenths of the ranking, the riskiest first; ties and customers on a border are shared.

    Columns: ``decile`` from 1, mean ``prediction``, ``share`` of leavers, ``lift`` (that share over
    the prevalence) of the tenth and ``lift_so_far`` down to it, ``gain`` (share of all leavers found
    down to it).
    """
    share, stated = equal_mass_bins(group_by_prediction(label, prediction), 10)
    prevalence = label.mean() if label.any() else np.nan
    places = np.arange(1, 11)
    found = np.cumsum(share)
    return pd.DataFrame(
        {
            "decile": places,
            "prediction": stated,
            "share": share,
            "lift": share / prevalence,
            "lift_so_far": found / places / prevalence,
            "gain": found / 10 / prevalence,
        }
    )


def _changes(rows: list[tuple[str, float, float]]) -> str:
    """``brier 0.1900 to 0.1834, ...``."""
    return ", ".join(f"{name} {before:.4f} to {after:.4f}" for name, before, after in rows)
