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
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.library_estimators import SklearnClassifier
from growthlab.data.event_log import EventLog
from growthlab.data.labelled_table import LabelledTable
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
from growthlab.models.base import Estimator
from growthlab.models.calibrated_estimator import (
    CHOICES,
    CalibratedEstimator,
    cross_calibrated,
    fit_calibration,
    slope_of,
)
from growthlab.models.table_estimator import wrap_estimator
from growthlab.scorers.calibrated_row_scorer import CalibrationMap
from growthlab.split.fold import Fold, TableFold
from growthlab.tasks.customer_task import CustomerTask
from growthlab.tasks.snapshots import CustomerData, in_window

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Churn(CustomerTask):
    """Probability of no purchase in ``[cutoff, cutoff + horizon)``, for customers who were active.

    The objective is ROC AUC: it measures the order of risk, which a campaign needs, and does not
    depend on the share of leavers, so that cutoffs can be compared; calibration is shown too.

    Every model is calibrated on the validation window, which its first fit has not seen: `calibration`
    is ``isotonic``, ``platt``, ``none``, or ``auto`` (isotonic from 1000 leavers and stayers on, else
    Platt's, where cross-validation on the window says that it helps; see `fit_calibration`). The model
    refitted on everything before the cutoff keeps that map; its uncalibrated predictions are in the
    column ``uncalibrated`` and in the metrics with that ending. Validation metrics of probabilities
    are those of the calibrated model, with maps fitted to other customers: ``objective=brier``
    chooses by what is shipped.
    """

    answer: ClassVar[TaskAnswer] = TaskAnswer(
        kind=AnswerKind.PROBABILITY,
        endpoint="churn",
        field="churn_probability",
        summary="The probability that a customer buys nothing within the horizon.",
        intended_use="Gives the probability that a customer buys nothing within the horizon.",
        caveat="It says who may leave, not whom a contact would keep: that needs an experiment.",
    )
    model_type: ClassVar[Any] = Estimator | SklearnClassifier
    delayed_metrics: ClassVar[tuple[PredictionMetric, ...]] = (RocAuc(), Brier())

    objective: str = "roc_auc"
    calibration: str = "auto"
    baselines: tuple[str, ...] = ("prior", "recency_rule", "bg_nbd")
    name: str = "churn"
    models: str = "churn"
    metrics: str = "binary"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.calibration not in CHOICES:
            possible = ", ".join(CHOICES)
            raise ConfigError(f"task.calibration={self.calibration}: possible are {possible}")

    def data(self, fold: Fold, fitted_on: CustomerData | None = None) -> CustomerData:
        """Customers with features and labels.

        Logs the share of leavers, which average precision and lift depend on.
        """
        data = super().data(fold, fitted_on)
        if data.train.target is not None and len(data.train):
            log.info("task=%s: %.1f %% of the examples leave", self.name, 100 * data.mean_outcome)
        return data

    def outcomes(
        self, events: EventLog, start: datetime, end: datetime, user_ids: np.ndarray
    ) -> np.ndarray:
        """1 where the customer buys nothing in the window, else 0."""
        bought = f"event_type = 'purchase' AND {in_window(start, end)}"
        stayed = events.query(f"SELECT DISTINCT user_id FROM events WHERE {bought}")
        return (~np.isin(user_ids, stayed["user_id"].to_numpy(dtype=str))).astype(np.float64)

    def table_labels(self, table: LabelledTable) -> np.ndarray:
        """The labels of a customer table, 1 for who left; DataError for any other than 0 and 1."""
        wrong = ~np.isin(table.label, (0, 1))
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{table.place(row)}: {table.label_column} is {table.label[row]:g}, and task={self.name} "
                "needs 0 and 1: name the word that counts as 1 with data.positive, or predict the amount "
                "with task=value"
            )
        return table.label

    def table_data(self, fold: TableFold) -> CustomerData:
        """See `CustomerTask.table_data`; logs the share of leavers."""
        data = super().table_data(fold)
        log.info("task=%s: %.1f %% of the examples leave", self.name, 100 * data.mean_outcome)
        return data

    def table_answer(self, table: LabelledTable) -> TaskAnswer:
        """See `AnswersForTables.table_answer`."""
        what = f"the probability that {table.label_column} is 1, as labelled in {table.file}."
        return replace(
            self.answer, summary=f"{what[0].upper()}{what[1:]}", intended_use=f"Gives {what}"
        )

    def n_deciding(self, evaluation: ModelEvaluation) -> int:
        """The customers of the rarer outcome: leavers or stayers."""
        leavers = int((evaluation.per_user["label"] > 0).sum())
        return min(leavers, len(evaluation.per_user) - leavers)

    def calibration_of(self, evaluation: ModelEvaluation) -> dict[str, Any] | None:
        """The calibration map of an evaluation; None if its predictions are not probabilities."""
        rows = evaluation.per_user
        label, p = rows["label"].to_numpy(), rows["prediction"].to_numpy()
        if not are_probabilities(p):
            return None
        calibration = fit_calibration(label, p, self.calibration)
        return None if calibration is None else calibration.to_json()

    def valid_after_calibration(
        self,
        evaluation: ModelEvaluation,
        metrics: Mapping[str, Any],
        calibration: Mapping[str, Any],
    ) -> dict[str, float]:
        """Metrics of probabilities on the validation window, after cross-fitted calibration."""
        rows = evaluation.per_user
        label, p = rows["label"].to_numpy(), rows["prediction"].to_numpy()
        calibrated = cross_calibrated(label, p, calibration["method"])
        return {n: float(m(label, calibrated)) for n, m in _of_probabilities(metrics).items()}

    def calibrated(self, model: Any, calibration: Mapping[str, Any]) -> CalibratedEstimator:
        """The fitted model with a calibration map."""
        return CalibratedEstimator(wrap_estimator(model), CalibrationMap.from_json(calibration))

    def with_task_tables(
        self, result: ModelEvaluation, model: Any, data: CustomerData, metrics: Mapping[str, Any]
    ) -> ModelEvaluation:
        """Add the table ``deciles``, and for a calibrated model its metrics before calibration.

        The table ``calibration`` has the metrics that calibration changes, before and after it.
        """
        label, p = result.per_user["label"].to_numpy(), result.per_user["prediction"].to_numpy()
        tables = {**result.tables, "deciles": churn_deciles(label, p)}
        if not isinstance(model, CalibratedEstimator):
            return replace(result, tables=tables)
        raw = model.model.predict(data.evaluated)
        predictions = result.per_user.assign(uncalibrated=raw)
        changed = _of_probabilities(metrics)
        before = {n: float(m(label, raw)) for n, m in changed.items()}
        after = {n: result.values[n].value for n in changed}
        slopes = ("calibration_slope", slope_of(label, raw), slope_of(label, p))
        rows = [*((n, before[n], after[n]) for n in changed), slopes]
        log.info("calibrated (%s): %s", model.calibration.method, _changes(rows))
        values = {f"{n}_uncalibrated": Estimate(v, np.nan, np.nan) for n, v in before.items()}
        tables |= {
            "predictions": predictions,
            "calibration": pd.DataFrame(rows, columns=["metric", "before", "after"]),
        }
        return replace(result, values=result.values | values, per_user=predictions, tables=tables)

    def delayed_values(self, label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        """The calibration slope, which is 1 for calibrated probabilities."""
        return {"calibration_slope": slope_of(label, prediction)}

    def estimate_mean(self, customers: Examples) -> float:
        """The share of customers without a purchase in the last horizon."""
        return float((customers.table["days_since_last"] >= customers.horizon_days).mean())


def _of_probabilities(metrics: Mapping[str, Any]) -> dict[str, OfProbabilities]:
    """The metrics that depend on the level of probabilities, by their logged name."""
    values = metrics.values()
    return {m.name: m for m in values if isinstance(m, OfProbabilities) and m.of_probabilities}


def churn_deciles(label: np.ndarray, prediction: np.ndarray) -> pd.DataFrame:
    """The deciles of the prediction, riskiest first; ties and customers on a border are shared.

    Columns: ``decile`` from 1, mean ``prediction``, ``share`` of leavers, ``lift`` (that share over
    the prevalence) of the decile and cumulative (``lift_so_far``), ``gain`` (cumulative share of all
    leavers).
    """
    share, predicted = equal_mass_bins(group_by_prediction(label, prediction), 10)
    prevalence = label.mean() if label.any() else np.nan
    decile = np.arange(1, 11)
    cumulative = np.cumsum(share)
    return pd.DataFrame(
        {
            "decile": decile,
            "prediction": predicted,
            "share": share,
            "lift": share / prevalence,
            "lift_so_far": cumulative / decile / prevalence,
            "gain": cumulative / 10 / prevalence,
        }
    )


def _changes(rows: list[tuple[str, float, float]]) -> str:
    """``brier 0.1900 to 0.1834, ...``."""
    return ", ".join(f"{name} {before:.4f} to {after:.4f}" for name, before, after in rows)
