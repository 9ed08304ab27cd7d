"""Which action is best for a customer: the effect of each arm of an experiment, and its cost."""

from __future__ import annotations

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
from growthlab.evaluation.arm_values import evaluate_arms
from growthlab.evaluation.choice import MIN_DECIDING, require_number
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import ModelEvaluation, Outcome
from growthlab.evaluation.resamples import N_RESAMPLES
from growthlab.metrics.best_arm.base import JudgedArms
from growthlab.metrics.predictions import PART
from growthlab.models.best_arm.base import ArmModel
from growthlab.split.fold import TableFold
from growthlab.tasks.experiment_task import ExperimentTask, assignment_of, outcome_of
from growthlab.tasks.uplift_data import ArmsData, arms_data
from growthlab.tasks.uplift_tables import arm_choices
from growthlab.training.fit_options import FitOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class BestArm(ExperimentTask):
    """The arm that brings a customer most after its cost, the control where none is worth it.

    Its data is as of `Uplift`, with all arms; the control of every arm is the control of the
    experiment. `worth` is what a unit of the outcome brings, in the money of ``data.cost``.

    Raises
    ------
    ConfigError
        `worth` is not above 0.
    """

    answer: ClassVar[TaskAnswer] = TaskAnswer(
        kind=AnswerKind.ARM,
        endpoint="best_arm",
        field=str(Claim.INCREMENTAL),
        summary="The action that brings most by a customer, less its cost.",
        intended_use="Gives the action that brings most by a customer, less its cost.",
        caveat=(
            "It holds for the actions, the customers and the weeks of the experiment, and for the costs "
            "that it was given. The effect on a single customer is never seen: only means of many can be "
            "checked."
        ),
    )
    model_type: ClassVar[Any] = ArmModel
    subject: ClassVar[str] = "its choice of actions"
    with_skill: ClassVar[str] = "brings more than the same action for all"
    without_skill: ClassVar[str] = (
        "does not bring more than the same action for all, so give everybody the one that is best on "
        "average, the answer to an unknown customer"
    )

    worth: float = 1.0
    objective: str = "ope_value_net"
    maximise: bool = True
    min_deciding: int = MIN_DECIDING
    baselines: tuple[str, ...] = ("everybody", "nobody")
    name: str = "best_arm"
    models: str = "best_arm"
    metrics: str = "best_arm"

    def __post_init__(self) -> None:
        require_number(self.min_deciding)
        if not 0 < self.worth < np.inf:
            raise ConfigError(f"task.worth must be a number above 0, got {self.worth}")

    def table_data(self, fold: TableFold) -> ArmsData:
        """The customers of all arms, see `arms_data`."""
        return arms_data(fold, self.worth, task_label=f"task={self.name}")

    def table_answer(self, table: LabelledTable) -> TaskAnswer:
        """See `AnswersForTables.table_answer`."""
        assignment = assignment_of(table)
        arms = ", ".join(assignment.treatments)
        what = (
            f"the best of {arms} for a customer, or {assignment.control}: what it brings by the "
            f"{table.label_column} at {self.worth:g} each, less its cost, by the experiment in {table.file}."
        )
        return replace(
            self.answer,
            summary=f"{what[0].upper()}{what[1:]}",
            intended_use=f"Gives {what}",
            outcome=outcome_of(table),
        )

    def fit(self, model: Any, data: ArmsData, options: FitOptions) -> ArmModel:
        """Fit the model to the customers before the cutoff."""
        if not isinstance(model, ArmModel):
            raise ConfigError(
                f"{type(model).__name__} is no model of several arms: see model=best_arm/..."
            )
        return model.fit(data.train, options)

    def evaluate(
        self,
        model: Any,
        data: ArmsData,
        metrics: Mapping[str, Any],
        *,
        seed: int,
        intervals: bool = True,
        n_resamples: int = N_RESAMPLES,
    ) -> ModelEvaluation:
        """Every metric of the model's choice of arms, see `Task.evaluate`."""
        started, customers = time.perf_counter(), data.evaluated
        effects = model.effects(customers)
        seconds = time.perf_counter() - started
        n_bad = int((~np.isfinite(effects)).any(axis=1).sum())
        if n_bad:
            raise ValueError(f"model output: {n_bad} of {len(effects)} effects are not finite")
        judged = JudgedArms(effects, customers.truth, data.cost, data.average, self.worth)
        per_customer, values = evaluate_arms(
            judged, metrics.values(), intervals=intervals, n_resamples=n_resamples
        )
        names = np.array([*customers.arms, customers.assignment.control])
        table = pd.DataFrame(
            {
                "user_id": customers.user_ids,
                PART + "outcome": customers.target,
                PART + "arm": np.searchsorted(np.sort(names), customers.assignment.arms),
                "prediction": (self.worth * effects - data.cost).max(axis=1).clip(min=0.0),
                "arm": names[judged.chosen],
                **{f"effect_{arm}": e for arm, e in zip(customers.arms, effects.T, strict=True)},
            }
        ).join(per_customer)
        tables = {}
        if intervals:
            tables = {
                "predictions": table,
                "choices": arm_choices(judged, names),
                "experiment": data.arms,
                "balance": data.balance,
            }
        return ModelEvaluation(values, table, pd.DataFrame(), tables, seconds, coverage=1.0)

    def n_deciding(self, evaluation: ModelEvaluation) -> int:
        """The outcomes other than 0 in the arm that has fewest of them."""
        rows = evaluation.per_user
        acted = rows.loc[rows[PART + "outcome"] != 0, PART + "arm"]
        n_arms = 1 + sum(str(column).startswith("effect_") for column in rows)
        return int(np.bincount(acted.to_numpy(dtype=int), minlength=n_arms).min())

    def figures(self, outcome: Outcome, columns: Sequence[MetricColumn]) -> dict[str, Figure]:
        """The plots of an outcome by file name."""
        from growthlab.evaluation.figures import outcome_figures

        return outcome_figures(outcome, self.objective, columns, maximise=self.maximise)
