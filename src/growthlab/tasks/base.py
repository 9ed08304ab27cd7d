"""The contract of a task: the same way from a fold to numbers for every model that answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from growthlab.bundle.answer_kinds import TaskAnswer
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import ModelEvaluation, Outcome
from growthlab.split.fold import Fold
from growthlab.training.fit_options import FitOptions

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from growthlab.core.histories import Histories
    from growthlab.core.prefixes import Prefixes


class Task(Protocol):
    """A question, asked of a fold.

    `models` and `metrics` name the families (folders of the config groups) that fit it; `objective` is the
    metric that early stopping, search and the choice of the winner go by, on the validation window only.
    `answer` says what a model of the task answers, and how it is called where it is served.
    A task's data holds everything that does not depend on the model, so that all models share it.
    """

    answer: ClassVar[TaskAnswer]
    name: str
    models: str
    metrics: str
    objective: str
    maximise: bool
    baselines: tuple[str, ...]

    def data(self, fold: Fold, known: Any = None) -> Any:
        """What all models of a comparison share on this fold: built once.

        `known` is the data on an earlier fold: then models that were fitted there, and not again on
        this one, can be judged here.
        """
        ...

    def fit(self, model: Any, data: Any, options: FitOptions) -> Any:
        """The model, fitted to the past of `data`; a model of another contract raises a ConfigError."""
        ...

    def judge(
        self,
        model: Any,
        data: Any,
        metrics: Mapping[str, Any],
        *,
        seed: int,
        intervals: bool = True,
    ) -> ModelEvaluation:
        """The fitted model against the future of `data`; without `intervals` the bounds are NaN."""
        ...

    def figures(self, outcome: Outcome, columns: Sequence[MetricColumn]) -> dict[str, Figure]:
        """The plots of one outcome, by file name; `columns` are the metrics of the leaderboard."""
        ...


@runtime_checkable
class Calibrates(Protocol):
    """A task whose models are put right on the validation window, before they are judged after it."""

    def calibration_of(self, judged: ModelEvaluation) -> dict[str, Any] | None:
        """What the validation window says, as plain values; None where nothing is to be changed."""
        ...

    def calibrated(self, model: Any, calibration: Mapping[str, Any]) -> Any:
        """The fitted model with that calibration."""
        ...


@runtime_checkable
class AsksInSteps(Protocol):
    """A task's data whose rows may be steps of a user's future, each asked from its own history."""

    @property
    def histories(self) -> Histories | Prefixes:
        """The histories that are asked about, one row each."""
        ...

    @property
    def steps(self) -> np.ndarray | None:
        """Which step of the user each row is, ``(n_rows,)``; None where rows are users."""
        ...


@runtime_checkable
class ReadsHistories(Protocol):
    """A task on histories of items, such as a ranking: which events count, and what lists leave out.

    Null settings take the data set's own value, see `with_data_defaults`.
    """

    history_events: Sequence[str] | None
    target_events: Sequence[str] | None
    filter_seen: str | None
    tie_seed: int
