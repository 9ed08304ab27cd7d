"""What is this customer worth: the revenue within the horizon after the cutoff."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from growthlab.bundle.answer_kinds import AnswerKind, TaskAnswer
from growthlab.core.library_estimators import SklearnRegressor
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import spend_of
from growthlab.data.labelled_table import LabelledTable
from growthlab.evaluation.outcome import ModelEvaluation
from growthlab.features.examples import Examples
from growthlab.metrics.predictions import PredictionMetric, equal_mass_bins, group_by_prediction
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.metrics.value.spearman import Spearman
from growthlab.metrics.value.total_bias import TotalBias
from growthlab.models.base import Estimator
from growthlab.split.fold import Fold
from growthlab.tasks.customer_task import CustomerTask
from growthlab.tasks.snapshots import CustomerData, in_window, values_by_user

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Value(CustomerTask):
    """`revenue_value` in ``[cutoff, cutoff + horizon)``: purchases less returns, never below 0.

    The objective is the normalised Gini, as the value is used to rank customers, and the mean absolute
    error would be lowest for predicting 0 where most customers buy nothing. Past spend is hard to
    beat on it; errors of level (MAE, total bias) are shown too and may have another winner.
    """

    answer: ClassVar[TaskAnswer] = TaskAnswer(
        kind=AnswerKind.AMOUNT,
        endpoint="value",
        field="expected_value",
        summary="The revenue expected of a customer within the horizon.",
        intended_use="Gives the revenue expected of a customer within the horizon.",
        caveat=(
            "It is neither a margin nor a credit score, and says nothing of a single customer's luck."
        ),
    )
    model_type: ClassVar[Any] = Estimator | SklearnRegressor
    delayed_metrics: ClassVar[tuple[PredictionMetric, ...]] = (
        NormalisedGini(),
        Spearman(),
        TotalBias(),
    )

    objective: str = "normalised_gini"
    baselines: tuple[str, ...] = ("mean", "past_spend", "bg_nbd")
    name: str = "value"
    models: str = "value"
    metrics: str = "value"

    def data(self, fold: Fold, fitted_on: CustomerData | None = None) -> CustomerData:
        """Customers with features and revenue; DataError for a log without prices."""
        fold.past.require("unit_price", needed_by=f"task={self.name}")
        return super().data(fold, fitted_on)

    def table_labels(self, table: LabelledTable) -> np.ndarray:
        """The amounts of a customer table; those below 0 count as 0, as net returns do."""
        below = int((table.label < 0).sum())
        if below:
            log.warning(
                "%s: %d of %d values of %s are below 0 and count as 0",
                *(table.file, below, len(table), table.label_column),
            )
        return np.maximum(table.label, 0.0)

    def table_answer(self, table: LabelledTable) -> TaskAnswer:
        """See `AnswersForTables.table_answer`."""
        what = f"the {table.label_column} expected of a customer, as labelled in {table.file}."
        return replace(
            self.answer, summary=f"{what[0].upper()}{what[1:]}", intended_use=f"Gives {what}"
        )

    def n_deciding(self, evaluation: ModelEvaluation) -> int:
        """The customers who spent something."""
        return int((evaluation.per_user["label"] > 0).sum())

    def with_task_tables(
        self, result: ModelEvaluation, model: Any, data: CustomerData, metrics: Mapping[str, Any]
    ) -> ModelEvaluation:
        """Add the table ``deciles``: predicted and actual value by decile of the prediction."""
        rows = result.per_user
        deciles = value_deciles(rows["label"].to_numpy(), rows["prediction"].to_numpy())
        return replace(result, tables={**result.tables, "deciles": deciles})

    def estimate_mean(self, customers: Examples) -> float:
        """The mean spend in a horizon at the rate of the whole past."""
        rate = customers.table["spend"] / customers.table["T"]
        return float(rate.mean() * customers.horizon_days)

    def outcomes(
        self, events: EventLog, start: datetime, end: datetime, user_ids: np.ndarray
    ) -> np.ndarray:
        """Spend less returns in the window; a negative sum counts as 0."""
        money = f"CASE event_type WHEN 'return' THEN -1 ELSE 1 END * {spend_of(events)}"
        kinds = "event_type IN ('purchase', 'return')"
        sums = events.query(
            f"SELECT user_id, sum({money}) AS value FROM events "
            f"WHERE {kinds} AND {in_window(start, end)} GROUP BY user_id"
        )
        # rounded to float32, so that the order of parallel sums makes no difference
        net = values_by_user(sums, user_ids).astype(np.float32).astype(np.float64)
        if (net < 0).any():
            log.debug("%d of %d returned more than they bought", (net < 0).sum(), len(net))
        return np.maximum(net, 0.0)


def value_deciles(label: np.ndarray, prediction: np.ndarray) -> pd.DataFrame:
    """The deciles of the prediction, highest first; ties and customers on a border are shared.

    Columns: ``decile`` from 1, ``customers`` (a tenth of all, so fractional), mean ``prediction`` and
    mean ``value``, ``bias`` (prediction / value - 1; NaN where nothing was spent) and ``capture``
    (cumulative share of all value). Customers times mean sum to the total.
    """
    value, predicted = equal_mass_bins(group_by_prediction(label, prediction), 10)
    size, total = len(label) / 10, label.sum() or np.nan
    return pd.DataFrame(
        {
            "decile": np.arange(1, 11),
            "customers": size,
            "prediction": predicted,
            "value": value,
            "bias": predicted / np.where(value > 0, value, np.nan) - 1,
            "capture": np.cumsum(value) * size / total,
        }
    )
