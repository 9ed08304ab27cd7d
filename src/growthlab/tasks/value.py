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
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import spend_of
from growthlab.evaluation.outcome import ModelEvaluation
from growthlab.features.examples import Examples
from growthlab.metrics.predictions import PredictionMetric, equal_mass_bins, group_by_prediction
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.metrics.value.spearman import Spearman
from growthlab.metrics.value.total_bias import TotalBias
from growthlab.split.fold import Fold
from growthlab.tasks.customers import CustomerTask
from growthlab.tasks.snapshots import CustomerData, by_user, within

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Value(CustomerTask):
    """`revenue_value` in ``[cutoff, cutoff + horizon)``: purchases less returns, never below 0.

    The objective is the normalised Gini: who is worth most is what the value is used for, and the
    mean absolute error is least for a guess of 0 where most customers buy nothing. Past spend is
    hard to beat on it; level (MAE, total bias) is shown beside it and may have another winner.
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

    def data(self, fold: Fold, known: CustomerData | None = None) -> CustomerData:
        """Customers with features and revenue; DataError for a log without prices."""
        fold.past.require("unit_price", needed_by=f"task={self.name}")
        return super().data(fold, known)

    def completed(
        self, judged: ModelEvaluation, model: Any, data: CustomerData, metrics: Mapping[str, Any]
    ) -> ModelEvaluation:
        """With the table ``deciles``: what was foretold and what came in the tenths of the ranking."""
        rows = judged.per_user
        found = deciles(rows["label"].to_numpy(), rows["prediction"].to_numpy())
        return replace(judged, tables={**judged.tables, "deciles": found})

    def guess(self, customers: Examples) -> float:
        """The mean spend in a horizon, at the pace of all the past."""
        pace = customers.table["spend"] / customers.table["T"]
        return float(pace.mean() * customers.horizon_days)

    def outcomes(
        self, events: EventLog, start: datetime, end: datetime, user_ids: np.ndarray
    ) -> np.ndarray:
        """Money of purchases less that of returns in the window; a negative sum counts as 0."""
        money = f"CASE event_type WHEN 'return' THEN -1 ELSE 1 END * {spend_of(events)}"
        kinds = "event_type IN ('purchase', 'return')"
        sums = events.query(
            f"SELECT user_id, sum({money}) AS value FROM events "
            f"WHERE {kinds} AND {within(start, end)} GROUP BY user_id"
        )
        # the precision of float32, so that the order of parallel sums leaves no trace
        net = by_user(sums, user_ids).astype(np.float32).astype(np.float64)
        if (net < 0).any():
            log.debug("%d of %d returned more than they bought", (net < 0).sum(), len(net))
        return np.maximum(net, 0.0)


def deciles(label: np.ndarray, prediction: np.ndarray) -> pd.DataFrame:
    """The tenths of the ranking, the highest first; ties and customers on a border are shared.

    Columns: ``decile`` from 1, ``customers`` (a tenth of all, so not whole), mean ``prediction`` and
    mean ``value``, ``bias`` (prediction over value less 1; NaN where nothing was spent) and
    ``capture`` (share of all value down to it). Customers times mean sum to the total.
    """
    value, stated = equal_mass_bins(group_by_prediction(label, prediction), 10)
    size, total = len(label) / 10, label.sum() or np.nan
    return pd.DataFrame(
        {
            "decile": np.arange(1, 11),
            "customers": size,
            "prediction": stated,
            "value": value,
            "bias": stated / np.where(value > 0, value, np.nan) - 1,
            "capture": np.cumsum(value) * size / total,
        }
    )
