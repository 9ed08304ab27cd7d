"""The base of tasks that predict one number a customer, such as churn and value."""

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
from growthlab.data.labelled_table import LabelledTable
from growthlab.evaluation.bootstrap import (
    evaluate_predictions,
    evaluate_subset,
    rough_predictions,
)
from growthlab.evaluation.choice import MIN_DECIDING, require_number
from growthlab.evaluation.largest_mistakes import MISTAKES, largest_mistakes
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import ModelEvaluation, Outcome
from growthlab.evaluation.permutation_importance import permutation_importance
from growthlab.evaluation.resamples import N_RESAMPLES, Resamples
from growthlab.features.customer_table import ITEM_FEATURES
from growthlab.features.examples import Examples
from growthlab.features.portrait.dictionary import select_portrait_tags
from growthlab.metrics.predictions import PredictionMetric
from growthlab.models.base import Estimator
from growthlab.models.table_estimator import wrap_estimator
from growthlab.split.fold import Fold, TableFold
from growthlab.tasks.revealing_features import revealing_features
from growthlab.tasks.snapshots import CustomerData, customer_data
from growthlab.tasks.table_data import table_data
from growthlab.training.fit_options import FitOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

STRATUM_RESAMPLES = 300
SMALLEST_COHORT = 30  # customers; with fewer, a metric means little
NO_STRATA: Mapping[str, np.ndarray] = {}


@dataclass(frozen=True, kw_only=True)
class CustomerTask(ABC):
    """A task that predicts one number a customer.

    Its customers bought something in the `activity_days` before the cutoff (None: the data set's
    default, or ever). Models are trained at no more than `snapshots` earlier cutoffs, a horizon apart,
    each with `min_history_days` of events before it (None: a horizon). `attributes` adds columns of
    the user table to the features; none by default, as age or gender are sensitive. `portrait` adds
    tags as features: the named ones, or ``all`` that the data has and that are not sensitive.
    `delayed_metrics` evaluate served predictions after their horizon is over. Where fewer than
    `min_deciding` customers decide on the validation window, the choice is by default.
    """

    answer: ClassVar[TaskAnswer]
    model_type: ClassVar[Any]
    delayed_metrics: ClassVar[tuple[PredictionMetric, ...]] = ()

    objective: str
    maximise: bool = True
    min_deciding: int = MIN_DECIDING
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
        require_number(self.min_deciding)
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
        """The target: the outcome of each customer in ``[start, end)``, shape ``(n_users,)``."""

    @abstractmethod
    def n_deciding(self, evaluation: ModelEvaluation) -> int:
        """The customers of an evaluation by whom models can differ."""

    @abstractmethod
    def estimate_mean(self, customers: Examples) -> float:
        """The mean outcome estimated from the past, for data without training labels."""

    def table_columns(self) -> tuple[str, ...]:
        """The category of items, the attributes, and what the tags of the portrait read."""
        tags = select_portrait_tags(self.portrait, "task.portrait") if self.portrait else []
        if self.portrait == "all":
            tags = []  # of these none reads a table without times
        return (
            *ITEM_FEATURES,
            *(f"users.{name}" for name in self.attributes),
            *(column for tag in tags for column in tag.table_columns()),
        )

    def data(self, fold: Fold, fitted_on: CustomerData | None = None) -> CustomerData:
        """Customers with features and outcomes, see `customer_data`; `fitted_on` is not needed.

        Logs any feature that alone gives the outcome away, in the training examples or in those to
        evaluate: on the inner fold these are of the validation window, else of the test window.
        """
        data = customer_data(
            fold,
            self.outcomes,
            task_label=f"task={self.name}",
            activity_days=self.activity_days,
            snapshots=self.snapshots,
            min_history_days=self.min_history_days,
            attributes=self.attributes,
            portrait=self.portrait,
        )
        for name in revealing_features(data.train, data.evaluated):
            log.warning("feature %s alone gives the outcome away: is it from the future?", name)
        if np.isfinite(data.mean_outcome) or data.train.present is None:
            return data
        return replace(data, mean_outcome=self.estimate_mean(data.train.present))

    @abstractmethod
    def table_labels(self, table: LabelledTable) -> np.ndarray:
        """The target of the rows of a customer table; DataError for labels that are none of the task's."""

    @abstractmethod
    def table_answer(self, table: LabelledTable) -> TaskAnswer:
        """See `AnswersForTables.table_answer`."""

    def table_data(self, fold: TableFold) -> CustomerData:
        """The rows of a customer table, see `growthlab.tasks.table_data.table_data`.

        Raises
        ------
        ConfigError
            A setting about events or about the tables beside them.
        """
        for setting in ("activity_days", "attributes", "portrait"):
            if getattr(self, setting):
                raise ConfigError(
                    f"task.{setting} is about events, and {fold.past.file} has none: its columns are the "
                    "features, see data.features and data.leave_out"
                )
        return table_data(fold, self.table_labels, task_label=f"task={self.name}")

    def fit(self, model: Any, data: CustomerData, options: FitOptions) -> Estimator:
        """Fit the model to the examples before the cutoff."""
        return wrap_estimator(model).fit(data.train, options)

    def evaluate(
        self,
        model: Any,
        data: CustomerData,
        metrics: Mapping[str, Any],
        *,
        seed: int,
        intervals: bool = True,
        n_resamples: int = N_RESAMPLES,
    ) -> ModelEvaluation:
        """Every metric of the predictions, see `Task.evaluate`."""
        started = time.perf_counter()
        prediction = wrap_estimator(model).predict(data.evaluated)
        seconds = time.perf_counter() - started
        label = data.evaluated.target
        assert label is not None
        values = evaluate_predictions(
            label, prediction, metrics, intervals=intervals, n_resamples=n_resamples
        )
        table = pd.DataFrame(
            {"user_id": data.evaluated.user_ids, "label": label, "prediction": prediction}
        )
        if not intervals:
            return ModelEvaluation(values, table, pd.DataFrame(), {}, seconds, coverage=1.0)
        tables = {"predictions": table}
        objective = [m for m in metrics.values() if m.name == self.objective]
        if objective:
            tables["importance"] = permutation_importance(
                wrap_estimator(model), data.evaluated, objective[0], seed=seed
            )
        tables[MISTAKES] = largest_mistakes(
            table, data.evaluated.table, tables.get("importance", pd.DataFrame())
        )
        n_resamples = min(n_resamples, STRATUM_RESAMPLES)
        strata = strata_table(data.evaluated, prediction, metrics, n_resamples)
        rough = rough_predictions(label, prediction, metrics) if n_resamples else frozenset()
        result = ModelEvaluation(values, table, strata, tables, seconds, 1.0, rough)
        return self.with_task_tables(result, model, data, metrics)

    def delayed_values(self, label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        """Values of served predictions, by name, that are reported with `delayed_metrics`."""
        return {}

    def with_task_tables(
        self, result: ModelEvaluation, model: Any, data: CustomerData, metrics: Mapping[str, Any]
    ) -> ModelEvaluation:
        """The evaluation with further tables of the task; unchanged by default."""
        return result

    def figures(self, outcome: Outcome, columns: Sequence[MetricColumn]) -> dict[str, Figure]:
        """The plots of an outcome by file name."""
        from growthlab.evaluation.figures import outcome_figures

        return outcome_figures(outcome, self.objective, columns, maximise=self.maximise)


def strata_table(
    customers: Examples,
    prediction: np.ndarray,
    metrics: Mapping[str, Any],
    n_resamples: int,
    others: Mapping[str, np.ndarray] = NO_STRATA,
) -> pd.DataFrame:
    """Every metric for each stratum of `customer_strata`, the predicted top tenth and each cohort.

    `others` are further strata, a mask of the customers each.
    """
    truth = customers.truth
    strata = customer_strata(customers.table) if "frequency" in customers.table else {}
    strata["predicted_top_tenth"] = top_tenth(prediction)
    if "tenure_days" in customers.table:
        ago = (customers.table["tenure_days"].to_numpy() * 86_400).astype("timedelta64[s]")
        strata |= purchase_cohorts(customers.snapshots.astype("datetime64[s]") - ago)
    resamples, rows = Resamples(len(prediction)), []
    for stratum, kept in {**strata, **others}.items():
        estimates = evaluate_subset(
            truth[kept],
            prediction[kept],
            metrics,
            resamples,
            np.flatnonzero(kept),
            n_resamples=n_resamples,
        )
        rows += [(stratum, name, *e, int(kept.sum())) for name, e in estimates.items()]
    return pd.DataFrame(rows, columns=["stratum", "metric", "value", "low", "high", "n_users"])


def customer_strata(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Masks of the customers in each stratum, bool; empty strata are left out.

    ``one_purchase`` and ``repeat`` by the number of days with a purchase; ``top_tenth`` and ``others``
    by past spend, where the log has prices.
    """
    repeats = table["frequency"].to_numpy() > 0
    strata = {"one_purchase": ~repeats, "repeat": repeats}
    if "spend" in table:
        spend = table["spend"].to_numpy()
        top = spend > np.quantile(spend, 0.9)
        strata |= {"top_tenth": top, "others": ~top}
    return {name: kept for name, kept in strata.items() if kept.any()}


def top_tenth(prediction: np.ndarray) -> np.ndarray:
    """A mask of the customers with the highest tenth of predictions, including ties, bool."""
    n_top = -(-len(prediction) // 10)
    return prediction >= np.partition(prediction, -n_top)[-n_top]


def purchase_cohorts(first: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of customers by the time of their first purchase, bool, oldest cohort first.

    Named ``first_2025-03``: by month if all are within a year, by quarter (``first_2011-Q1``) within three
    years, else by year. Cohorts of fewer than 30 customers are left out.
    """
    month = first.astype("datetime64[M]").astype(int)
    n_months = int(np.ptp(month)) + 1
    size = 1 if n_months <= 12 else 3 if n_months <= 36 else 12
    cohorts = {}
    for period in np.unique(month // size):
        kept = month // size == period
        if kept.sum() >= SMALLEST_COHORT:
            year, start = divmod(int(period) * size, 12)
            part = {1: f"-{start + 1:02d}", 3: f"-Q{start // 3 + 1}", 12: ""}[size]
            cohorts[f"first_{1970 + year}{part}"] = kept
    return cohorts
