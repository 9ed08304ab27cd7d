"""The contract of a task: how models are fitted and evaluated on a fold, the same way for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from growthlab.bundle.answer_kinds import TaskAnswer
from growthlab.data.labelled_table import LabelledTable
from growthlab.evaluation.choice import ChoiceRule
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import Estimate, ModelEvaluation, Outcome
from growthlab.evaluation.resamples import N_RESAMPLES
from growthlab.split.fold import Fold, TableFold
from growthlab.training.fit_options import FitOptions

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from growthlab.core.histories import Histories
    from growthlab.core.prefixes import Prefixes


class Task(Protocol):
    """A question about customers that models answer on a fold.

    `models` and `metrics` name the families (folders of the config groups) that fit it; `objective` is the
    metric that early stopping, search and the choice of the winner use, on the validation window only, and
    `min_deciding` the customers below which the choice is by default, see `ChoiceRule`.
    `answer` says what a model of the task answers, and its names where it is served; `model_type` is
    what a config may name as its model, as in an annotation: `Estimator` or any scikit-learn classifier.
    A task's data holds everything that does not depend on the model, so that all models share it.
    """

    answer: ClassVar[TaskAnswer]
    model_type: ClassVar[Any]
    name: str
    models: str
    metrics: str
    objective: str
    maximise: bool
    min_deciding: int
    baselines: tuple[str, ...]

    def table_columns(self) -> tuple[str, ...]:
        """The columns of the tables of items and users that its models may read, as ``users.tier``."""
        ...

    def data(self, fold: Fold, fitted_on: Any = None) -> Any:
        """The data of a fold that all models share; built once a comparison.

        `fitted_on` is the data of an earlier fold: models that were fitted to it can then be evaluated
        on this fold without a refit.
        """
        ...

    def fit(self, model: Any, data: Any, options: FitOptions) -> Any:
        """Fit the model to the past of `data`; ConfigError for a model of another task."""
        ...

    def evaluate(
        self,
        model: Any,
        data: Any,
        metrics: Mapping[str, Any],
        *,
        seed: int,
        intervals: bool = True,
        n_resamples: int = N_RESAMPLES,
    ) -> ModelEvaluation:
        """Evaluate the fitted model on the future of `data`.

        Bounds come from `n_resamples` of customers, and are NaN for none. Without `intervals` there
        are no bounds, strata or tables.
        """
        ...

    def n_deciding(self, evaluation: ModelEvaluation) -> int:
        """The customers of an evaluation by whom models can differ."""
        ...

    def figures(self, outcome: Outcome, columns: Sequence[MetricColumn]) -> dict[str, Figure]:
        """The plots of an outcome by file name; `columns` are the metrics of the leaderboard."""
        ...


def choice_rule(task: Task) -> ChoiceRule:
    """How the validation window chooses among models of a task."""
    return ChoiceRule(task.maximise, task.baselines, task.min_deciding)


@runtime_checkable
class AnswersForTables(Protocol):
    """A task that can be asked of a customer table, where there are labels and no events."""

    def table_data(self, fold: TableFold) -> Any:
        """As `Task.data`, of a fold of a table."""
        ...

    def table_answer(self, table: LabelledTable) -> TaskAnswer:
        """What a model of the table answers: `Task.answer` in the words of its label."""
        ...


@runtime_checkable
class NeedsTable(Protocol):
    """A task that has no answer for events."""

    @property
    def why_no_events(self) -> str:
        """What events lack, as the end of a sentence."""
        ...


@runtime_checkable
class AnswersAsEvaluated(Protocol):
    """A task whose answer has another caveat by how its model was evaluated."""

    def answer_as_evaluated(self, answer: TaskAnswer, values: Mapping[str, Estimate]) -> TaskAnswer:
        """The answer of a model with these metrics after the cutoff."""
        ...


@runtime_checkable
class Calibrates(Protocol):
    """A task whose models are calibrated on the validation window."""

    def calibration_of(self, evaluation: ModelEvaluation) -> dict[str, Any] | None:
        """The calibration from an evaluation on the validation window, as plain values; None: none."""
        ...

    def valid_after_calibration(
        self,
        evaluation: ModelEvaluation,
        metrics: Mapping[str, Any],
        calibration: Mapping[str, Any],
    ) -> dict[str, float]:
        """The metrics on the validation window that the calibration changes, after it.

        No customer is calibrated by a map that was fitted to its own label.
        """
        ...

    def calibrated(self, model: Any, calibration: Mapping[str, Any]) -> Any:
        """The fitted model with the calibration applied."""
        ...


@runtime_checkable
class RankingTask(Protocol):
    """A task whose answers are ranked lists of items.

    Settings that are None take the data set's default, see `with_data_defaults`.
    """

    @property
    def filter_seen(self) -> str | None:
        """Which items are kept out of the lists: ``none``, ``purchased`` or ``interacted``."""
        ...

    @property
    def history_events(self) -> Sequence[str] | None:
        """The event types that models see."""
        ...

    @property
    def target_events(self) -> Sequence[str] | None:
        """The event types that count as targets."""
        ...

    @property
    def tie_seed(self) -> int:
        """The seed of the key that breaks ties."""
        ...


@runtime_checkable
class AsksForBaskets(Protocol):
    """A task that may ask for the whole last basket of a user."""

    @property
    def asks_for_last_basket(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class StepData(Protocol):
    """A task's data whose rows may be steps of a user's future, each with its own history."""

    @property
    def histories(self) -> Histories | Prefixes:
        """The histories, one row each."""
        ...

    @property
    def steps(self) -> np.ndarray | None:
        """The number of each row's step within its user, ``(n_rows,)``; None where rows are users."""
        ...
