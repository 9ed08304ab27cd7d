"""What churn and value have in common: one number a customer, foretold as of a cutoff."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from growthlab.bundle.answer_kinds import TaskAnswer
from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.evaluation.bootstrap import evaluate_predictions
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import ModelEvaluation, Outcome
from growthlab.evaluation.permutation_importance import permutation_importance
from growthlab.features.examples import Examples
from growthlab.metrics.predictions import PredictionMetric
from growthlab.models.base import Estimator
from growthlab.models.table_estimator import wrap
from growthlab.split.fold import Fold
from growthlab.tasks.snapshots import CustomerData, customers_of
from growthlab.training.fit_options import FitOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

STRATUM_RESAMPLES = 300
SMALLEST_COHORT = 30  # customers: of fewer a metric says nothing


@dataclass(frozen=True, kw_only=True)
class CustomerTask(ABC):
    """A question with one number a customer as its answer.

    Asked of customers with a purchase in the `activity_days` before the cutoff (None leaves it to
    the data set; if that says nothing either: ever). Models learn from at most `snapshots` earlier
    cutoffs, a horizon apart, each with `min_history_days` before it (None: a horizon). `attributes`
    adds columns of the user table to the features: none by default, as age or gender are sensitive.
    `portrait` adds tags: the named ones, or ``all`` that the data gives and that are not sensitive.
    `delayed_metrics` evaluate served predictions once their horizon is over.
    """

    answer: ClassVar[TaskAnswer]
    delayed_metrics: ClassVar[tuple[PredictionMetric, ...]] = ()

    objective: str
    maximise: bool = True
    activity_days: float | None = None
    snapshots: int = 4
    min_history_days: float | None = None
    attributes: list[str] | tuple[str, ...] = ()
    portrait: str | list[str] | tuple[str, ...] | None = None
    baselines: tuple[str, ...] = ()
    name: str = ""
    models: str = ""
    metrics: str = ""

    def __post_init__(self) -> None:
        if self.activity_days is not None and not self.activity_days > 0:
            raise ConfigError(f"task.activity_days must be positive, got {self.activity_days}")
        if self.snapshots < 1:
            raise ConfigError(f"task.snapshots must be at least 1, got {self.snapshots}")
        if self.min_history_days is not None and self.min_history_days < 0:
            raise ConfigError(f"task.min_history_days is negative: {self.min_history_days}")

    @abstractmethod
    def outcomes(
        self, events: EventLog, start: datetime, end: datetime, user_ids: np.ndarray
    ) -> np.ndarray:
        """What the customers did in ``[start, end)``: the target, shape ``(n_users,)``."""

    @abstractmethod
    def guess(self, customers: Examples) -> float:
        """The mean outcome as the past suggests it, where no outcome is known."""

    def data(self, fold: Fold, known: CustomerData | None = None) -> CustomerData:
        """Customers with features and outcomes; see `customers_of`. `known` changes nothing."""
        data = customers_of(
            fold,
            self.outcomes,
            asked_by=f"task={self.name}",
            activity_days=self.activity_days,
            snapshots=self.snapshots,
            min_history_days=self.min_history_days,
            attributes=self.attributes,
            portrait=self.portrait,
        )
        if np.isfinite(data.base) or data.train.present is None:
            return data
        return replace(data, base=self.guess(data.train.present))

    def fit(self, model: Any, data: CustomerData, options: FitOptions) -> Estimator:
        """The model, fitted to the examples before the cutoff."""
        return wrap(model).fit(data.train, options)

    def judge(
        self,
        model: Any,
        data: CustomerData,
        metrics: Mapping[str, Any],
        *,
        seed: int,
        intervals: bool = True,
    ) -> ModelEvaluation:
        """Every metric of the predictions; see `Task.judge`."""
        started = time.perf_counter()
        prediction = wrap(model).predict(data.judged)
        seconds = time.perf_counter() - started
        label = data.judged.target
        assert label is not None
        values = evaluate_predictions(label, prediction, metrics, intervals=intervals)
        table = pd.DataFrame(
            {"user_id": data.judged.user_ids, "label": label, "prediction": prediction}
        )
        if not intervals:
            return ModelEvaluation(values, table, pd.DataFrame(), {}, seconds, coverage=1.0)
        tables = {"predictions": table}
        objective = [m for m in metrics.values() if m.name == self.objective]
        if objective:
            tables["importance"] = permutation_importance(
                wrap(model), data.judged, objective[0], seed=seed
            )
        strata = _strata(data.judged, prediction, metrics)
        judged = ModelEvaluation(values, table, strata, tables, seconds, coverage=1.0)
        return self.completed(judged, model, data, metrics)

    def delayed_figures(self, label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        """What is shown of served predictions beside `delayed_metrics`, by name."""
        return {}

    def completed(
        self, judged: ModelEvaluation, model: Any, data: CustomerData, metrics: Mapping[str, Any]
    ) -> ModelEvaluation:
        """The judgement with what this task has to add to one with intervals; here as it is."""
        return judged

    def figures(self, outcome: Outcome, columns: Sequence[MetricColumn]) -> dict[str, Figure]:
        """The plots of one outcome, by file name."""
        from growthlab.evaluation.figures import outcome_figures

        return outcome_figures(outcome, self.objective, columns, maximise=self.maximise)


def _strata(judged: Examples, prediction: np.ndarray, metrics: Mapping[str, Any]) -> pd.DataFrame:
    """Every metric apart for the groups of `strata_of`, the predicted top tenth and the cohorts."""
    assert judged.target is not None
    strata = strata_of(judged.table)
    strata["predicted_top_tenth"] = top_tenth(prediction)
    if "tenure_days" in judged.table:
        ago = (judged.table["tenure_days"].to_numpy() * 86_400).astype("timedelta64[s]")
        strata |= cohorts_of(judged.snapshots.astype("datetime64[s]") - ago)
    rows = []
    for stratum, kept in strata.items():
        estimates = evaluate_predictions(
            judged.target[kept], prediction[kept], metrics, n_resamples=STRATUM_RESAMPLES
        )
        rows += [(stratum, name, *e, int(kept.sum())) for name, e in estimates.items()]
    return pd.DataFrame(rows, columns=["stratum", "metric", "value", "low", "high", "n_users"])


def strata_of(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Which customers belong to each stratum, bool; strata without anybody are left out.

    ``one_purchase`` and ``repeat`` by the days with a purchase so far; ``top_tenth`` and ``others``
    by the spend so far, where the log has prices.
    """
    repeats = table["frequency"].to_numpy() > 0
    strata = {"one_purchase": ~repeats, "repeat": repeats}
    if "spend" in table:
        spend = table["spend"].to_numpy()
        top = spend > np.quantile(spend, 0.9)
        strata |= {"top_tenth": top, "others": ~top}
    return {name: kept for name, kept in strata.items() if kept.any()}


def top_tenth(prediction: np.ndarray) -> np.ndarray:
    """Those whose prediction is among the highest tenth, bool; all who tie with the last of them."""
    n_top = -(-len(prediction) // 10)
    return prediction >= np.partition(prediction, -n_top)[-n_top]


def cohorts_of(first: np.ndarray) -> dict[str, np.ndarray]:
    """Customers by the time of their first purchase (datetime64), bool, the oldest cohort first.

    ``first_2025-03``: by month where all lie within a year, by quarter (``first_2011-Q1``) within
    three, else by year. Cohorts of fewer than 30 customers are left out.
    """
    month = first.astype("datetime64[M]").astype(int)
    n_months = int(np.ptp(month)) + 1
    size = 1 if n_months <= 12 else 3 if n_months <= 36 else 12
    found = {}
    for period in np.unique(month // size):
        kept = month // size == period
        if kept.sum() >= SMALLEST_COHORT:
            year, start = divmod(int(period) * size, 12)
            part = {1: f"-{start + 1:02d}", 3: f"-Q{start // 3 + 1}", 12: ""}[size]
            found[f"first_{1970 + year}{part}"] = kept
    return found
