"""The loop of a search: each trial is told once, and what fails or is hopeless does not stop it."""

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
from growthlab.search.search_loop import Objectives, Search, words_of
from growthlab.search.trial import Pruned, Result
from growthlab.split.fold import Fold
from growthlab.tasks.fold_evaluation import FoldEvaluation
from growthlab.training.fit_options import FitOptions


class Metric:
    """Named like the objective."""

    name = "quality"
    larger_is_better = True


@dataclass
class Model:
    """Its quality is its level, times the share of the epochs that it trained."""

    level: float
    error: BaseException | None = None
    epochs: int = 4
    trained: int = 0
    trainer: Any = field(default_factory=lambda: SimpleNamespace(patience=9))


class Task:
    """A task that trains epoch by epoch."""

    objective, maximise = "quality", True

    def data(self, fold: Fold, known: Any = None) -> str:
        """Nothing but a name."""
        return "valid"

    def fit(self, model: Model, data: str, options: FitOptions) -> Model:
        """As long as the verdict lets it."""
        if model.error is not None:
            raise model.error
        for epoch in range(1, model.epochs + 1):
            model.trained = epoch
            if options.on_epoch is not None and options.on_epoch(epoch, model).stop:
                break
        return model

    def judge(
        self, model: Model, data: str, metrics: Mapping[str, Any], *, seed: int, intervals=True
    ) -> ModelEvaluation:
        """The quality so far."""
        value = Estimate(model.level * model.trained / model.epochs, math.nan, math.nan)
        nothing = pd.DataFrame()
        return ModelEvaluation(
            {"quality": value}, nothing, nothing, {}, score_seconds=0.25, coverage=1.0
        )


@dataclass
class Attempt:
    """Settings with the epoch at which somebody loses patience."""

    number: int
    overrides: Mapping[str, Any]
    pruned_at: int | None = None
    out_of_time_at: int | None = None
    heard: list[float] = field(default_factory=list)

    def report(self, epoch: int, value: float) -> bool:
        """As it was written down before."""
        self.heard.append(value)
        if epoch == self.pruned_at:
            raise Pruned
        return epoch == self.out_of_time_at


@dataclass
class Notes:
    """A study that knows all its trials before, and a recorder."""

    trials: list[Attempt]
    told: dict[int, Result] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    def ask(self) -> Attempt | None:
        """The next that was not told yet."""
        return next((t for t in self.trials if t.number not in self.told), None)

    def tell(self, trial: Attempt, result: Result) -> None:
        """Once a trial."""
        assert trial.number not in self.told
        self.told[trial.number] = result

    def start(self, trial: Attempt) -> None:
        """Write it down."""
        self.written.append(f"start {trial.number}")

    def finish(self, trial: Attempt, result: Result, error: Exception | None) -> None:
        """Write it down."""
        self.written.append(f"{result.state} {trial.number} {type(error).__name__}")


def search(notes: Notes, fold: Fold, **objectives: Any) -> Search:
    """The loop over the trials of the notes."""
    return Search(
        evaluation=FoldEvaluation(Task(), fold, {"quality": Metric()}),
        study=notes,
        recorder=notes,
        factory=lambda settings: lambda: Model(**settings),
        objectives=Objectives(**{"names": ["quality"], **objectives}),
    )


def test_every_trial_is_told_with_its_value_and_curve(shop_fold: Fold) -> None:
    notes = Notes([Attempt(0, {"level": 0.8}), Attempt(1, {"level": 0.4})])
    search(notes, shop_fold).run()
    assert [notes.told[n].values for n in (0, 1)] == [(0.8,), (0.4,)]
    assert notes.told[0].curve == {1: 0.2, 2: 0.4, 3: pytest.approx(0.6), 4: 0.8}
    assert notes.told[0].epochs == 4
    assert notes.written == ["start 0", "complete 0 NoneType", "start 1", "complete 1 NoneType"]


def test_a_hopeless_trial_ends_at_once_and_the_next_begins(shop_fold: Fold) -> None:
    notes = Notes([Attempt(0, {"level": 0.1}, pruned_at=2), Attempt(1, {"level": 0.9})])
    search(notes, shop_fold).run()
    assert (notes.told[0].state, notes.told[0].epochs) == ("pruned", 2)
    assert notes.told[0].why == "hopeless after epoch 2"
    assert notes.trials[0].heard == [0.025, 0.05]
    assert notes.told[1].values == (0.9,)


def test_a_trial_out_of_time_counts_with_what_it_reached(shop_fold: Fold) -> None:
    notes = Notes([Attempt(0, {"level": 0.8}, out_of_time_at=2)])
    search(notes, shop_fold).run()
    assert notes.told[0].state == "complete"
    assert notes.told[0].values == (0.4,)  # 2 of 4 epochs
    assert notes.told[0].epochs == 2


@pytest.mark.parametrize(
    "error",
    [MemoryError("31 GiB"), RuntimeError("CUDA out of memory"), ConfigError("no such kernel")],
)
def test_a_crash_is_told_and_the_search_goes_on(shop_fold: Fold, error: Exception) -> None:
    crash = Attempt(0, {"level": 0.5, "error": error})
    notes = Notes([crash, Attempt(1, {"level": 0.9})])
    loop = search(notes, shop_fold)
    loop.run()
    assert notes.told[0].state == "failed"
    assert notes.told[0].why == f"{type(error).__name__}: {error}"
    assert notes.told[1].values == (0.9,)
    assert notes.written[1] == f"failed 0 {type(error).__name__}"
    assert loop.last_error is error
    assert error.__traceback__ is None  # it would hold what the fit held


def test_an_undefined_objective_is_a_failure(shop_fold: Fold) -> None:
    notes = Notes([Attempt(0, {"level": math.nan})])
    search(notes, shop_fold).run()
    assert (notes.told[0].state, notes.told[0].why) == ("failed", "quality is not defined")


def test_an_interrupted_trial_is_told_so(shop_fold: Fold) -> None:
    notes = Notes([Attempt(0, {"level": 0.5, "error": KeyboardInterrupt()})])
    with pytest.raises(KeyboardInterrupt):
        search(notes, shop_fold).run()
    assert notes.told[0].state == "interrupted"


def test_costs_may_be_objectives(shop_fold: Fold) -> None:
    notes = Notes([Attempt(0, {"level": 0.8})])
    names = ["quality", "score_seconds", "bundle_mb"]
    search(notes, shop_fold, names=names, bundle_mb=lambda evaluation, choice: 7.5).run()
    assert notes.told[0].values == (0.8, 0.25, 7.5)
    single = Notes([Attempt(0, {"level": 0.8})])
    search(single, shop_fold, bundle_mb=lambda evaluation, choice: 1 / 0).run()
    assert "bundle_mb" not in single.told[0].costs  # measured only where it is asked for


def test_a_result_survives_as_text() -> None:
    result = Result("pruned", (), {"quality": 0.5}, {"fit_seconds": 2.0}, 3, {1: 0.1, 3: 0.5}, "w")
    assert Result.from_json(result.as_json()) == result


def test_settings_are_shown_without_their_place_and_with_four_digits() -> None:
    shown = words_of({"model.trainer.lr": 0.0123456, "model.width": 64, "model.layers": [32, 16]})
    assert shown == "trainer.lr=0.01235 width=64 layers=[32, 16]"
    assert words_of({}) == "the model's own settings"
