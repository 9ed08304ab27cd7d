"""The loop of a search: each result is stored once; failed and pruned trials do not stop it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from growthlab.core.errors import ConfigError
from growthlab.evaluation.outcome import Estimate, ModelEvaluation
from growthlab.search.override_words import settings_text
from growthlab.search.search_loop import Objectives, SearchLoop
from growthlab.search.trial import TrialPruned, TrialResult
from growthlab.split.fold import Fold
from growthlab.tasks.fold_evaluation import FoldEvaluation
from growthlab.training.fit_options import FitOptions


class Metric:
    """A metric with the name of the objective."""

    name = "quality"
    larger_is_better = True


@dataclass
class Model:
    """A model whose quality is its level times the share of epochs that it trained."""

    level: float
    error: BaseException | None = None
    epochs: int = 4
    trained: int = 0
    trainer: Any = field(default_factory=lambda: SimpleNamespace(patience=9))


class Task:
    """A task that trains epoch by epoch."""

    objective, maximise = "quality", True

    def data(self, fold: Fold, known: Any = None) -> str:
        """A name in place of data."""
        return "valid"

    def fit(self, model: Model, data: str, options: FitOptions) -> Model:
        """Train epoch by epoch until the verdict says stop."""
        if model.error is not None:
            raise model.error
        for epoch in range(1, model.epochs + 1):
            model.trained = epoch
            if options.on_epoch is not None and options.on_epoch(epoch, model).stop:
                break
        return model

    def evaluate(
        self, model: Model, data: str, metrics: Mapping[str, Any], *, seed: int, intervals=True
    ) -> ModelEvaluation:
        """The quality after the epochs so far."""
        value = Estimate(model.level * model.trained / model.epochs, math.nan, math.nan)
        empty = pd.DataFrame()
        return ModelEvaluation(
            {"quality": value}, empty, empty, {}, score_seconds=0.25, coverage=1.0
        )

    def n_deciding(self, evaluation: ModelEvaluation) -> int:
        """As many as a list has places."""
        return 10


@dataclass
class FixedTrial:
    """Settings with the epoch at which the trial is pruned or time is up."""

    number: int
    overrides: Mapping[str, Any]
    pruned_at: int | None = None
    out_of_time_at: int | None = None
    reported: list[float] = field(default_factory=list)

    def report(self, epoch: int, value: float) -> bool:
        """Prune or end at the fixed epoch."""
        self.reported.append(value)
        if epoch == self.pruned_at:
            raise TrialPruned
        return epoch == self.out_of_time_at


@dataclass
class FixedStudy:
    """A study with fixed trials, which is also the recorder."""

    trials: list[FixedTrial]
    results: dict[int, TrialResult] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def ask(self) -> FixedTrial | None:
        """The next trial without a result."""
        return next((t for t in self.trials if t.number not in self.results), None)

    def tell(self, trial: FixedTrial, result: TrialResult) -> None:
        """Store the result, once a trial."""
        assert trial.number not in self.results
        self.results[trial.number] = result

    def start(self, trial: FixedTrial) -> None:
        """Log the start."""
        self.log.append(f"start {trial.number}")

    def finish(self, trial: FixedTrial, result: TrialResult, error: Exception | None) -> None:
        """Log the end."""
        self.log.append(f"{result.state} {trial.number} {type(error).__name__}")


def search(study: FixedStudy, fold: Fold, **objectives: Any) -> SearchLoop:
    """The loop over the trials of the study."""
    return SearchLoop(
        evaluation=FoldEvaluation(Task(), fold, {"quality": Metric()}),
        study=study,
        recorder=study,
        factory=lambda settings: lambda: Model(**settings),
        objectives=Objectives(**{"names": ["quality"], **objectives}),
    )


def test_every_trial_is_stored_with_its_value_and_curve(shop_fold: Fold) -> None:
    study = FixedStudy([FixedTrial(0, {"level": 0.8}), FixedTrial(1, {"level": 0.4})])
    search(study, shop_fold).run()
    assert [study.results[n].values for n in (0, 1)] == [(0.8,), (0.4,)]
    assert study.results[0].curve == {1: 0.2, 2: 0.4, 3: pytest.approx(0.6), 4: 0.8}
    assert study.results[0].epochs == 4
    assert study.log == ["start 0", "complete 0 NoneType", "start 1", "complete 1 NoneType"]


def test_a_pruned_trial_ends_at_once_and_the_next_begins(shop_fold: Fold) -> None:
    study = FixedStudy([FixedTrial(0, {"level": 0.1}, pruned_at=2), FixedTrial(1, {"level": 0.9})])
    search(study, shop_fold).run()
    assert (study.results[0].state, study.results[0].epochs) == ("pruned", 2)
    assert study.results[0].why == "below the median after epoch 2"
    assert study.trials[0].reported == [0.025, 0.05]
    assert study.results[1].values == (0.9,)


def test_a_trial_out_of_time_counts_with_the_value_it_reached(shop_fold: Fold) -> None:
    study = FixedStudy([FixedTrial(0, {"level": 0.8}, out_of_time_at=2)])
    search(study, shop_fold).run()
    assert study.results[0].state == "complete"
    assert study.results[0].values == (0.4,)  # 2 of 4 epochs
    assert study.results[0].epochs == 2


@pytest.mark.parametrize(
    "error",
    [MemoryError("31 GiB"), RuntimeError("CUDA out of memory"), ConfigError("no such kernel")],
)
def test_a_crash_is_stored_and_the_search_continues(shop_fold: Fold, error: Exception) -> None:
    crash = FixedTrial(0, {"level": 0.5, "error": error})
    study = FixedStudy([crash, FixedTrial(1, {"level": 0.9})])
    loop = search(study, shop_fold)
    loop.run()
    assert study.results[0].state == "failed"
    assert study.results[0].why == f"{type(error).__name__}: {error}"
    assert study.results[1].values == (0.9,)
    assert study.log[1] == f"failed 0 {type(error).__name__}"
    assert loop.last_error is error
    assert error.__traceback__ is None  # it would keep the memory of the fit


def test_an_undefined_objective_is_a_failure(shop_fold: Fold) -> None:
    study = FixedStudy([FixedTrial(0, {"level": math.nan})])
    search(study, shop_fold).run()
    assert (study.results[0].state, study.results[0].why) == ("failed", "quality is not defined")


def test_an_interrupted_trial_is_stored_as_interrupted(shop_fold: Fold) -> None:
    study = FixedStudy([FixedTrial(0, {"level": 0.5, "error": KeyboardInterrupt()})])
    with pytest.raises(KeyboardInterrupt):
        search(study, shop_fold).run()
    assert study.results[0].state == "interrupted"


def test_costs_may_be_objectives(shop_fold: Fold) -> None:
    study = FixedStudy([FixedTrial(0, {"level": 0.8})])
    names = ["quality", "score_seconds", "bundle_mb"]
    search(study, shop_fold, names=names, bundle_mb=lambda evaluation, choice: 7.5).run()
    assert study.results[0].values == (0.8, 0.25, 7.5)
    single = FixedStudy([FixedTrial(0, {"level": 0.8})])
    search(single, shop_fold, bundle_mb=lambda evaluation, choice: 1 / 0).run()
    assert (
        "bundle_mb" not in single.results[0].costs
    )  # measured only where it is an objective or limited


def test_a_result_is_the_same_after_json() -> None:
    result = TrialResult(
        "pruned", (), {"quality": 0.5}, {"fit_seconds": 2.0}, 3, {1: 0.1, 3: 0.5}, "w"
    )
    assert TrialResult.from_json(result.as_json()) == result


def test_settings_are_shown_without_the_model_prefix_and_with_four_digits() -> None:
    settings = {"model.trainer.lr": 0.0123456, "model.width": 64, "model.layers": [32, 16]}
    assert settings_text(settings) == "trainer.lr=0.01235 width=64 layers=[32,16]"
    assert settings_text({}) == "the model's own settings"
