"""What does an action change: the effect of one arm of an experiment over its control, by customer."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from growthlab.bundle.answer_kinds import AnswerKind, TaskAnswer
from growthlab.core.claims import Claim
from growthlab.core.errors import ConfigError
from growthlab.data.labelled_table import LabelledTable
from growthlab.evaluation.bootstrap import evaluate_predictions
from growthlab.evaluation.choice import MIN_DECIDING, require_number
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import Estimate, ModelEvaluation, Outcome
from growthlab.evaluation.permutation_importance import permutation_importance
from growthlab.evaluation.resamples import N_RESAMPLES
from growthlab.features.experiment_table import TRUTH_PARTS, ExperimentTable
from growthlab.metrics.predictions import PART, BiasedByResampling, OfEffects
from growthlab.models.uplift.base import EffectModel
from growthlab.split.fold import TableFold
from growthlab.tasks.customer_task import STRATUM_RESAMPLES, strata_table
from growthlab.tasks.experiment_task import ExperimentTask, assignment_of, outcome_of
from growthlab.tasks.uplift_data import UpliftData, arm_of, uplift_data
from growthlab.tasks.uplift_tables import effect_tenths, strata_of_levels
from growthlab.training.fit_options import FitOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Uplift(ExperimentTask):
    """The effect of `arm` on the outcome of each customer, over the control of the experiment.

    Its data is a table of a randomised experiment with known propensities: sample ratio and balance
    are checked before anything is fitted. Learners see the customers of the arm and of the control
    alone, and never those of another arm. The objective is RATE with the weights of the Qini curve,
    which is there for outcomes of every kind and for orders that are no effects.

    Whether an order is more than chance is said by the metric `skill`, and in the model card.
    """

    answer: ClassVar[TaskAnswer] = TaskAnswer(
        kind=AnswerKind.EFFECT,
        endpoint="uplift",
        field=str(Claim.INCREMENTAL),
        summary="What the action changes in the outcome of a customer.",
        intended_use="Gives what the action changes in the outcome of a customer.",
        caveat=(
            "It holds for the action, the customers and the weeks of the experiment. The effect on a "
            "single customer is never seen: only means of many can be checked."
        ),
    )
    model_type: ClassVar[Any] = EffectModel
    subject: ClassVar[str] = "its order of customers"
    with_skill: ClassVar[str] = "gains more than chance would, by both tests"
    without_skill: ClassVar[str] = (
        "is not better than chance by both tests, so use the average effect for all of them, the answer to "
        "an unknown customer"
    )

    arm: str | None = None
    objective: str = "rate_qini"
    maximise: bool = True
    min_deciding: int = MIN_DECIDING
    baselines: tuple[str, ...] = ("everybody", "nobody", "response", "recency", "random")
    name: str = "uplift"
    models: str = "uplift"
    metrics: str = "uplift"

    def __post_init__(self) -> None:
        require_number(self.min_deciding)

    def table_data(self, fold: TableFold) -> UpliftData:
        """The customers of the arm and of the control, see `uplift_data`."""
        return uplift_data(fold, self.arm, task_label=f"task={self.name}")

    def table_answer(self, table: LabelledTable) -> TaskAnswer:
        """See `AnswersForTables.table_answer`."""
        assignment = assignment_of(table)
        arm = arm_of(assignment, self.arm)
        what = (
            f"what {arm} changes in the {table.label_column} of a customer over {assignment.control}, "
            f"by the experiment in {table.file}."
        )
        return replace(
            self.answer,
            summary=f"{what[0].upper()}{what[1:]}",
            intended_use=f"Gives {what}",
            arm=arm,
            outcome=outcome_of(table),
        )

    def fit(self, model: Any, data: UpliftData, options: FitOptions) -> EffectModel:
        """Fit the model to the customers before the cutoff."""
        if not isinstance(model, EffectModel):
            raise ConfigError(
                f"{type(model).__name__} is no model of effects: see model=uplift/..."
            )
        return model.fit(data.train, options)

    def evaluate(
        self,
        model: Any,
        data: UpliftData,
        metrics: Mapping[str, Any],
        *,
        seed: int,
        intervals: bool = True,
        n_resamples: int = N_RESAMPLES,
    ) -> ModelEvaluation:
        """Every metric of the predictions, see `Task.evaluate`.

        What compares effects is NaN for a model whose numbers are none, and its effects by tenth are
        not shown.
        """
        started, customers = time.perf_counter(), data.evaluated
        prediction = model.predict(customers)
        seconds = time.perf_counter() - started
        truth = customers.truth
        values = evaluate_predictions(
            truth, prediction, metrics, intervals=intervals, n_resamples=n_resamples
        )
        if not model.predicts_effects:
            of_effects = {m.name for m in metrics.values() if isinstance(m, OfEffects)}
            values |= dict.fromkeys(of_effects, Estimate(np.nan, np.nan, np.nan))
        parts = {PART + name: part for name, part in zip(TRUTH_PARTS, truth.T, strict=True)}
        table = pd.DataFrame({"user_id": customers.user_ids, **parts, "prediction": prediction})
        if not intervals:
            return ModelEvaluation(values, table, pd.DataFrame(), {}, seconds, coverage=1.0)
        tables = {"predictions": table, "experiment": data.arms, "balance": data.balance}
        if model.predicts_effects:
            tables["tenths"] = effect_tenths(truth, prediction)
        objective = [m for m in metrics.values() if m.name == self.objective]
        if objective:
            tables["importance"] = permutation_importance(model, customers, objective[0], seed=seed)
        strata = self._strata(customers, prediction, metrics, model.predicts_effects, n_resamples)
        return ModelEvaluation(values, table, strata, tables, seconds, coverage=1.0)

    def _strata(
        self,
        customers: ExperimentTable,
        prediction: np.ndarray,
        metrics: Mapping[str, Any],
        predicts_effects: bool,
        n_resamples: int,
    ) -> pd.DataFrame:
        """The metrics with bounds for each stratum, those by the levels of texts among them."""
        bounded = {
            name: metric
            for name, metric in metrics.items()
            if not isinstance(metric, BiasedByResampling)
            and (predicts_effects or not isinstance(metric, OfEffects))
        }
        n_resamples = min(n_resamples, STRATUM_RESAMPLES)
        levels = strata_of_levels(customers.table)
        return strata_table(customers, prediction, bounded, n_resamples, levels)

    def n_deciding(self, evaluation: ModelEvaluation) -> int:
        """The outcomes other than 0 in the arm that has fewer of them."""
        rows = evaluation.per_user
        acted = rows[PART + "outcome"] != 0
        treated = rows[PART + "treated"] == 1
        return int(min((acted & treated).sum(), (acted & ~treated).sum()))

    def figures(self, outcome: Outcome, columns: Sequence[MetricColumn]) -> dict[str, Figure]:
        """The plots of an outcome by file name."""
        from growthlab.evaluation.effect_curves import (
            effect_curve_figure,
            effect_tenths_figure,
            has_effects,
        )
        from growthlab.evaluation.figures import outcome_figures

        figures = outcome_figures(outcome, self.objective, columns, maximise=self.maximise)
        if has_effects(outcome.per_user):
            title = f"{outcome.name}: what the arm gains"
            figures["qini"] = effect_curve_figure(outcome.per_user, title)
        if "tenths" in outcome.tables:
            figures["calibration"] = effect_tenths_figure(outcome.tables["tenths"])
        return figures
