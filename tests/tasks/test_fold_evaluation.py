"""A choice rests on the validation window alone, a refit on the choice, and the future is seen once."""

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
from growthlab.tasks.fold_evaluation import FoldEvaluation, choose, epoch_watch, run_model
from growthlab.tasks.objective import objective_metric
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions

VALUES = {1: 0.2, 2: 0.5, 3: 0.4, 4: 0.5, 5: 0.1, 6: 0.9}  # of the objective, by epoch


class Metric:
    """Named like the objective."""

    name = "quality"
    larger_is_better = True


@dataclass
class Untrained:
    """A model without early stopping, whose quality on the validation window is known."""

    epochs: int = 6
    fitted_on: str = ""
    trained: int = 0
    losses_: list[float] = field(default_factory=list)

    def scorer(self) -> str:
        """What leaves the lab."""
        return f"{self.trained} epochs on {self.fitted_on}"


@dataclass
class Curve(Untrained):
    """A model whose quality on the validation window is known for each epoch."""

    trainer: Any = field(default_factory=lambda: SimpleNamespace(patience=3))


@dataclass
class Watched:
    """A task that notes everything that is asked of it."""

    asked: list[tuple[str, str, int]] = field(default_factory=list)
    objective: str = "quality"
    maximise: bool = True
    name: str = "watched"
    models: str = "toys"

    def data(self, fold: Fold, known: Any = None) -> str:
        """The window that a fold is judged on."""
        return "future" if fold.inner is not None else "valid"

    def fit(self, model: Untrained, data: str, options: FitOptions) -> Untrained:
        """Epoch by epoch, as long as the verdict says so."""
        self.asked.append(("fit", data, options.epochs or 0))
        model.fitted_on = data
        for epoch in range(1, (options.epochs or model.epochs) + 1):
            model.trained = epoch
            model.losses_.append(1 / epoch)
            if options.on_epoch is not None and options.on_epoch(epoch, model).stop:
                break
        return model

    def judge(
        self, model: Untrained, data: str, metrics: Mapping[str, Any], *, seed: int, intervals=True
    ) -> ModelEvaluation:
        """The known quality of the epoch."""
        self.asked.append(("judge", data, model.trained))
        value = Estimate(VALUES[model.trained], np.nan, np.nan)
        empty = pd.DataFrame()
        return ModelEvaluation({self.objective: value}, empty, empty, {}, 0.25, 1.0)


def evaluation(task: Any, fold: Fold, *, refit: bool = True) -> FoldEvaluation:
    """The task on the fold."""
    return FoldEvaluation(task, fold, {"quality": Metric()}, refit)


def test_training_stops_once_patience_is_used_up_and_the_first_best_epoch_counts(
    shop_fold: Fold,
) -> None:
    # 0.5 at epoch 2, equal at 4; three epochs without improvement end at 5, before the 0.9
    chosen = choose(evaluation(Watched(), shop_fold), Curve)
    assert chosen.epochs == 2
    assert chosen.curves["valid/quality"] == [0.2, 0.5, 0.4, 0.5, 0.1]
    assert len(chosen.curves["loss"]) == 5


def test_the_refit_trains_as_many_epochs_on_the_whole_past(shop_fold: Fold) -> None:
    task = Watched()
    outcome = run_model(evaluation(task, shop_fold), Curve, name="curve", seed=4)
    assert outcome.scorer == "2 epochs on future"
    assert (outcome.epochs, outcome.seed, outcome.score_seconds) == (2, 4, 0.25)
    assert task.asked[-2:] == [("fit", "future", 2), ("judge", "future", 2)]


def test_the_future_is_looked_at_once_and_after_every_choice(shop_fold: Fold) -> None:
    task = Watched()
    run_model(evaluation(task, shop_fold), Curve, name="curve")
    windows = [window for _, window, _ in task.asked]
    assert windows == ["valid"] * (len(windows) - 2) + ["future"] * 2
    assert sum(what == "judge" and window == "future" for what, window, _ in task.asked) == 1


def test_without_a_refit_the_chosen_model_is_judged(shop_fold: Fold) -> None:
    task = Watched()
    outcome = run_model(evaluation(task, shop_fold, refit=False), Curve, name="curve")
    assert [w for what, w, _ in task.asked if what == "fit"] == ["valid"]
    assert outcome.model.fitted_on == "valid"


def test_another_future_changes_nothing_that_is_chosen(shop_fold: Fold) -> None:
    task = TopN(history_events=("purchase",), target_events=("purchase",))
    metrics = {"ndcg": NDCG(k=(10,))}
    emptied = replace(shop_fold, future=shop_fold.past.where("event_type = 'purchase'"))
    choices = [choose(FoldEvaluation(task, f, metrics), Markov) for f in (shop_fold, emptied)]
    assert choices[0].valid == choices[1].valid
    histories = [c.model.scorer_.to_arrays() for c in choices]
    assert all((histories[0][n] == histories[1][n]).all() for n in histories[0])


def test_a_model_without_epochs_is_fitted_once_on_each_window(shop_fold: Fold) -> None:
    task = Watched()
    outcome = run_model(evaluation(task, shop_fold), lambda: Untrained(epochs=1), name="x")
    assert [(what, w) for what, w, _ in task.asked] == [
        ("fit", "valid"),
        ("judge", "valid"),
        ("fit", "future"),
        ("judge", "future"),
    ]
    assert outcome.epochs is None


def test_what_cannot_be_exported_says_why(shop_fold: Fold) -> None:
    class Stuck(Curve):
        def scorer(self) -> str:
            raise ExportError("stuck in the lab")

    outcome = run_model(evaluation(Watched(), shop_fold), Stuck, name="stuck")
    assert (outcome.scorer, outcome.why_not_exportable) == (None, "stuck in the lab")


def test_the_tables_of_a_fitted_model_go_to_its_run(shop_fold: Fold) -> None:
    class WithTables(Curve):
        def tables(self) -> dict[str, pd.DataFrame]:
            return {"parameters": pd.DataFrame({"value": [1.0]})}

    outcome = run_model(evaluation(Watched(), shop_fold), WithTables, name="curve")
    assert outcome.tables["parameters"]["value"].tolist() == [1]


def test_a_run_for_no_bundle_asks_for_no_scorer(shop_fold: Fold) -> None:
    outcome = run_model(evaluation(Watched(), shop_fold), Curve, name="curve", export=False)
    assert outcome.scorer is None


def test_a_choice_that_was_made_is_not_made_again(shop_fold: Fold, tmp_path: Path) -> None:
    first = run_model(evaluation(Watched(), shop_fold), Curve, name="curve", checkpoint=tmp_path)
    task = Watched()
    second = run_model(evaluation(task, shop_fold), Curve, name="curve", checkpoint=tmp_path)
    assert task.asked == [("fit", "future", 2), ("judge", "future", 2)]
    assert (second.valid, second.curves, second.epochs) == (
        first.valid,
        first.curves,
        first.epochs,
    )


def test_the_watch_evaluates_the_objective_on_the_validation_window(
    shop_fold: Fold, tmp_path: Path
) -> None:
    watch = epoch_watch(evaluation(Watched(), shop_fold), Curve(), 0, tmp_path)
    assert watch is not None
    for epoch in (1, 2, 3):
        watch(epoch, Curve(trained=epoch))
    assert watch.values == {n: VALUES[n] for n in (1, 2, 3)}
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
def test_an_objective_that_nothing_gives_is_refused(objective: str, line: str) -> None:
    metrics = {"ndcg": NDCG(k=(10,)), "brier": Brier()}
    with pytest.raises(ConfigError, match=line):
        objective_metric(TopN(objective=objective), metrics)
