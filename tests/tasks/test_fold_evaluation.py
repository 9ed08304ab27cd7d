"""Choices use the validation window only, a refit follows the choice, and the future is used once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, ExportError
from growthlab.evaluation.outcome import Estimate, ModelEvaluation
from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.models.recommend.markov import Markov
from growthlab.split.fold import Fold
from growthlab.tasks.fold_evaluation import FoldEvaluation, choose_fit, epoch_watch, run_model
from growthlab.tasks.objective import objective_metric
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions

QUALITY = {1: 0.2, 2: 0.5, 3: 0.4, 4: 0.5, 5: 0.1, 6: 0.9}  # by epoch


class Metric:
    """A metric with the name of the objective."""

    name = "quality"
    larger_is_better = True


@dataclass
class Untrained:
    """A model without early stopping and with a fixed quality."""

    epochs: int = 6
    fitted_on: str = ""
    trained: int = 0
    losses_: list[float] = field(default_factory=list)

    def scorer(self) -> str:
        """A text in place of a scorer."""
        return f"{self.trained} epochs on {self.fitted_on}"


@dataclass
class Curve(Untrained):
    """A model with early stopping and a fixed quality for each epoch."""

    trainer: Any = field(default_factory=lambda: SimpleNamespace(patience=3))


@dataclass
class RecordingTask:
    """A task that records its calls."""

    calls: list[tuple[str, str, int]] = field(default_factory=list)
    objective: str = "quality"
    maximise: bool = True
    name: str = "recording"
    models: str = "toys"

    def data(self, fold: Fold, fitted_on: Any = None) -> str:
        """The name of the window on which the fold evaluates."""
        return "future" if fold.inner is not None else "valid"

    def fit(self, model: Untrained, data: str, options: FitOptions) -> Untrained:
        """Train epoch by epoch until the verdict says stop."""
        self.calls.append(("fit", data, options.epochs or 0))
        model.fitted_on = data
        for epoch in range(1, (options.epochs or model.epochs) + 1):
            model.trained = epoch
            model.losses_.append(1 / epoch)
            if options.on_epoch is not None and options.on_epoch(epoch, model).stop:
                break
        return model

    def evaluate(
        self,
        model: Untrained,
        data: str,
        metrics: Mapping[str, Any],
        *,
        seed: int,
        intervals=True,
        n_resamples=2000,
    ) -> ModelEvaluation:
        """The quality of the epoch."""
        self.calls.append(("evaluate", data, model.trained))
        value = Estimate(QUALITY[model.trained], np.nan, np.nan)
        empty = pd.DataFrame()
        return ModelEvaluation({self.objective: value}, empty, empty, {}, 0.25, 1.0)

    def n_deciding(self, evaluation: ModelEvaluation) -> int:
        """A number to be recognised by."""
        return 42


def evaluation(task: Any, fold: Fold, *, refit: bool = True) -> FoldEvaluation:
    """The task on the fold."""
    return FoldEvaluation(task, fold, {"quality": Metric()}, refit)


def test_training_stops_after_patience_and_the_first_best_epoch_counts(
    shop_fold: Fold,
) -> None:
    # best is 0.5 at epoch 2 and again at 4; patience 3 ends training at 5, before the 0.9
    chosen = choose_fit(evaluation(RecordingTask(), shop_fold), Curve)
    assert chosen.epochs == 2
    assert chosen.curves["valid/quality"] == [0.2, 0.5, 0.4, 0.5, 0.1]
    assert len(chosen.curves["loss"]) == 5


def test_the_refit_trains_the_chosen_number_of_epochs_on_the_whole_past(shop_fold: Fold) -> None:
    task = RecordingTask()
    outcome = run_model(evaluation(task, shop_fold), Curve, name="curve", seed=4)
    assert outcome.scorer == "2 epochs on future"
    assert (outcome.epochs, outcome.seed, outcome.score_seconds) == (2, 4, 0.25)
    assert outcome.n_deciding == 42
    assert task.calls[-2:] == [("fit", "future", 2), ("evaluate", "future", 2)]


def test_the_future_is_used_once_and_after_all_choices(shop_fold: Fold) -> None:
    task = RecordingTask()
    run_model(evaluation(task, shop_fold), Curve, name="curve")
    windows = [window for _, window, _ in task.calls]
    assert windows == ["valid"] * (len(windows) - 2) + ["future"] * 2
    assert sum(call == "evaluate" and window == "future" for call, window, _ in task.calls) == 1


def test_without_a_refit_the_chosen_model_is_evaluated(shop_fold: Fold) -> None:
    task = RecordingTask()
    outcome = run_model(evaluation(task, shop_fold, refit=False), Curve, name="curve")
    assert [w for what, w, _ in task.calls if what == "fit"] == ["valid"]
    assert outcome.model.fitted_on == "valid"


def test_another_future_does_not_change_the_choice(shop_fold: Fold) -> None:
    task = TopN(history_events=("purchase",), target_events=("purchase",))
    metrics = {"ndcg": NDCG(k=(10,))}
    emptied = replace(shop_fold, future=shop_fold.past.where("event_type = 'purchase'"))
    choices = [choose_fit(FoldEvaluation(task, f, metrics), Markov) for f in (shop_fold, emptied)]
    assert choices[0].valid == choices[1].valid
    histories = [c.model.scorer_.to_arrays() for c in choices]
    assert all((histories[0][n] == histories[1][n]).all() for n in histories[0])


def test_a_model_without_epochs_is_fitted_once_on_each_window(shop_fold: Fold) -> None:
    task = RecordingTask()
    outcome = run_model(evaluation(task, shop_fold), lambda: Untrained(epochs=1), name="x")
    assert [(what, w) for what, w, _ in task.calls] == [
        ("fit", "valid"),
        ("evaluate", "valid"),
        ("fit", "future"),
        ("evaluate", "future"),
    ]
    assert outcome.epochs is None


def test_a_model_that_cannot_be_exported_says_why(shop_fold: Fold) -> None:
    class NotExportable(Curve):
        def scorer(self) -> str:
            raise ExportError("not exportable")

    outcome = run_model(evaluation(RecordingTask(), shop_fold), NotExportable, name="stuck")
    assert (outcome.scorer, outcome.why_not_exportable) == (None, "not exportable")


def test_the_tables_of_a_fitted_model_are_in_the_outcome(shop_fold: Fold) -> None:
    class WithTables(Curve):
        def tables(self) -> dict[str, pd.DataFrame]:
            return {"parameters": pd.DataFrame({"value": [1.0]})}

    outcome = run_model(evaluation(RecordingTask(), shop_fold), WithTables, name="curve")
    assert outcome.tables["parameters"]["value"].tolist() == [1]


def test_without_export_the_outcome_has_no_scorer(shop_fold: Fold) -> None:
    outcome = run_model(evaluation(RecordingTask(), shop_fold), Curve, name="curve", export=False)
    assert outcome.scorer is None


def test_a_choice_that_was_written_is_not_repeated(shop_fold: Fold, tmp_path: Path) -> None:
    first = run_model(
        evaluation(RecordingTask(), shop_fold), Curve, name="curve", checkpoint=tmp_path
    )
    task = RecordingTask()
    second = run_model(evaluation(task, shop_fold), Curve, name="curve", checkpoint=tmp_path)
    assert task.calls == [("fit", "future", 2), ("evaluate", "future", 2)]
    assert (second.valid, second.curves, second.epochs) == (
        first.valid,
        first.curves,
        first.epochs,
    )


def test_the_watch_evaluates_the_objective_on_the_validation_window(
    shop_fold: Fold, tmp_path: Path
) -> None:
    watch = epoch_watch(evaluation(RecordingTask(), shop_fold), Curve(), 0, tmp_path)
    assert watch is not None
    for epoch in (1, 2, 3):
        watch(epoch, Curve(trained=epoch))
    assert watch.values == {n: QUALITY[n] for n in (1, 2, 3)}
    assert watch.memory == tmp_path / "choose" / "watch.json"


def test_the_objective_is_found_among_the_metrics_and_their_k() -> None:
    task = TopN(objective="ndcg_at_20")
    metrics = {"short": NDCG(k=(5,)), "long": NDCG(k=(10, 20))}
    assert objective_metric(task, metrics) == {"long": metrics["long"]}


@pytest.mark.parametrize(
    ("objective", "line"),
    [
        ("ndcg_at_11", "task.objective=ndcg_at_11 is not among the metrics: did you mean ndcg"),
        ("brier", "task.objective=brier needs task.maximise=false"),
    ],
)
def test_an_impossible_objective_is_refused(objective: str, line: str) -> None:
    metrics = {"ndcg": NDCG(k=(10,)), "brier": Brier()}
    with pytest.raises(ConfigError, match=line):
        objective_metric(TopN(objective=objective), metrics)
