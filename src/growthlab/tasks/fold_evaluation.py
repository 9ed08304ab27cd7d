"""One model and one seed on one fold: choose on the validation window, refit, judge once on the future."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from growthlab.core.atomic_write import write_json
from growthlab.core.errors import ExportError
from growthlab.evaluation.outcome import ModelEvaluation, Outcome
from growthlab.models.base import Exportable, RecordsLosses, Tabled
from growthlab.models.boosting import patience_of
from growthlab.split.fold import Fold
from growthlab.tasks.base import Calibrates, Task
from growthlab.tasks.gauge import gauged
from growthlab.tasks.objective import objective_metric
from growthlab.tasks.warm_start import check_clock, learned_state
from growthlab.training.epoch_watch import EpochWatch
from growthlab.training.fit_options import FitOptions
from growthlab.training.learned_state import LearnedState, WarmStart, read_state, write_state

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldEvaluation:
    """A task on a fold with its metrics: what all models of a comparison share, each part made once."""

    task: Task
    fold: Fold
    metrics: Mapping[str, Any]
    refit: bool = True  # after the choice, fit again on past + valid

    @cached_property
    def choosing(self) -> Any:
        """The task's data on the fold for choosing."""
        return self.task.data(self.fold.for_choosing())

    @cached_property
    def judging(self) -> Any:
        """The task's data on the fold itself, whose future is looked at once a model."""
        return self.task.data(self.fold, None if self.refit else self.choosing)

    def prepare(self) -> None:
        """Make what the models share, so that a mistake in it shows before any of them is fitted."""
        _ = self.objective_metric, self.judging, self.choosing

    @cached_property
    def objective_metric(self) -> dict[str, Any]:
        """The one metric that gives the objective."""
        return objective_metric(self.task, self.metrics)


@dataclass(frozen=True)
class ChosenFit:
    """A model fitted for choosing: its metrics on the validation window, and the best epoch.

    `model` is None where an earlier call, interrupted later, had made the choice. `learned` is what
    a later run may go on from. `calibration` is what the window says of the model's probabilities;
    the metrics of `valid` are those before it.
    """

    model: Any
    valid: dict[str, float]
    epochs: int | None  # None: the model is not trained in epochs
    curves: dict[str, list[float]]
    fit_seconds: float
    peak_mb: float
    score_seconds: float = math.nan
    learned: LearnedState | None = None
    calibration: dict[str, Any] | None = None


def choose(
    evaluation: FoldEvaluation,
    factory: Callable[[], Any],
    *,
    seed: int = 0,
    device: str = "auto",
    checkpoint: Path | None = None,
    on_value: Callable[[int, float], bool] | None = None,
    warm: LearnedState | None = None,
) -> ChosenFit:
    """Fit on the inner past, stopping early where there are epochs, and judge on the validation window.

    `on_value` is asked after each epoch, see `EpochWatch`. `warm` is where the fit goes on from.
    """
    task = evaluation.task
    watch = epoch_watch(evaluation, factory(), seed, checkpoint, on_value)
    stage = _stage(checkpoint, "choose")
    options = FitOptions(seed=seed, device=device, on_epoch=watch, checkpoint=stage, warm=warm)
    with gauged() as fitting:
        model = task.fit(factory(), evaluation.choosing, options)
    judged = task.judge(model, evaluation.choosing, evaluation.metrics, seed=seed, intervals=False)
    curves = {"loss": list(model.losses_) if isinstance(model, RecordsLosses) else []}
    if watch is not None:
        curves[f"valid/{task.objective}"] = [watch.values[n] for n in sorted(watch.values)]
    return ChosenFit(
        model=model,
        valid={n: e.value for n, e in judged.values.items()},
        epochs=watch.best_epoch if watch is not None and watch.values else None,
        curves={n: values for n, values in curves.items() if values},
        fit_seconds=fitting.seconds,
        peak_mb=fitting.peak_mb,
        score_seconds=judged.score_seconds,
        learned=learned_state(model, evaluation.choosing, evaluation.fold.for_choosing()),
        calibration=task.calibration_of(judged) if isinstance(task, Calibrates) else None,
    )


def run_model(
    evaluation: FoldEvaluation,
    factory: Callable[[], Any],
    *,
    name: str,
    seed: int = 0,
    device: str = "auto",
    checkpoint: Path | None = None,
    export: bool = True,
    label: str = "",
    warm: WarmStart | None = None,
) -> Outcome:
    """Choose on the inner fold, refit on the whole past with the chosen epochs, judge once.

    See `FoldEvaluation`. With `export` the outcome holds what a bundle carries of the model. `label`
    names it in the log. `warm` is what an earlier run of the model learned, to go on from.

    Raises
    ------
    ConfigError
        The earlier run has seen what this one is chosen or judged by.
    """
    if warm is not None:
        check_clock(warm, evaluation.fold)
    task = evaluation.task
    made = checkpoint / "choice.json" if checkpoint is not None and evaluation.refit else None
    chosen = _chosen_before(made)
    if chosen is None:
        start = None if warm is None else warm.choosing
        chosen = choose(
            evaluation, factory, seed=seed, device=device, checkpoint=checkpoint, warm=start
        )
        if made is not None:
            _write_choice(made, chosen)
    model, fit_seconds, peak_mb = chosen.model, chosen.fit_seconds, chosen.peak_mb
    if evaluation.refit:
        stage = _stage(checkpoint, "refit")
        start = None if warm is None else warm.judged
        options = FitOptions(
            seed=seed, device=device, epochs=chosen.epochs, checkpoint=stage, warm=start
        )
        with gauged() as fitting:
            model = task.fit(factory(), evaluation.judging, options)
        fit_seconds, peak_mb = fitting.seconds, max(peak_mb, fitting.peak_mb)
    if chosen.calibration is not None and isinstance(task, Calibrates):
        model = task.calibrated(model, chosen.calibration)
    judged = task.judge(model, evaluation.judging, evaluation.metrics, seed=seed)
    _report(label or f"{name} seed {seed}", task.objective, chosen, judged, fit_seconds)
    outcome = _outcome(model, name, seed, chosen, judged, fit_seconds, peak_mb)
    if not export:
        return outcome
    scorer, why_not = _scorer_of(model)
    if why_not:
        log.warning("%s is not exportable, so it cannot be promoted: %s", label or name, why_not)
    left = _left(evaluation, chosen, model)
    return replace(outcome, scorer=scorer, why_not_exportable=why_not, learned=left)


def _report(
    label: str, objective: str, chosen: ChosenFit, judged: ModelEvaluation, seconds: float
) -> None:
    """The one line that a model logs."""
    log.info(
        "%s: %s %.4f valid, %.4f test; chosen in %.1f s%s, fitted in %.1f s, scored in %.1f s",
        label,
        objective,
        chosen.valid[objective],
        judged.values[objective].value,
        chosen.fit_seconds,
        "" if chosen.epochs is None else f" (epoch {chosen.epochs})",
        seconds,
        judged.score_seconds,
    )


def _chosen_before(made: Path | None) -> ChosenFit | None:
    """The choice that an interrupted call had made, without its model."""
    if made is None or not made.exists():
        return None
    state = made.with_suffix(".npz")
    kept = read_state(state) if state.exists() else None
    return ChosenFit(model=None, learned=kept, **json.loads(made.read_text()))


def _write_choice(made: Path, chosen: ChosenFit) -> None:
    """The choice, for a later call to go on from; what says that it is there is written last."""
    if chosen.learned is not None:
        write_state(chosen.learned, made.with_suffix(".npz"))
    write_json(made, {n: v for n, v in vars(chosen).items() if n not in ("model", "learned")})


def _left(evaluation: FoldEvaluation, chosen: ChosenFit, model: Any) -> WarmStart | None:
    """What a later run may go on from."""
    if chosen.learned is None:
        return None
    judged = (
        learned_state(model, evaluation.judging, evaluation.fold)
        if evaluation.refit
        else chosen.learned
    )
    return None if judged is None else WarmStart(chosen.learned, judged)


def epoch_watch(
    evaluation: FoldEvaluation,
    model: Any,
    seed: int,
    checkpoint: Path | None = None,
    on_value: Callable[[int, float], bool] | None = None,
) -> EpochWatch | None:
    """A watch on the validation window for a model that is trained in epochs."""
    patience = patience_of(model)
    if patience is None:
        return None
    task = evaluation.task

    def evaluate(model: Any) -> float:
        judged = task.judge(
            model, evaluation.choosing, evaluation.objective_metric, seed=seed, intervals=False
        )
        return judged.values[task.objective].value

    memory = checkpoint / "choose" / "watch.json" if checkpoint is not None else None
    label = f"valid {task.objective}"
    return EpochWatch(evaluate, patience, task.maximise, memory, on_value, label)


def _stage(checkpoint: Path | None, name: str) -> Path | None:
    """Each fit of a run has a checkpoint of its own."""
    return checkpoint / name if checkpoint is not None else None


def _outcome(
    model: Any,
    name: str,
    seed: int,
    chosen: ChosenFit,
    judged: ModelEvaluation,
    fit_seconds: float,
    peak_mb: float,
) -> Outcome:
    """Everything in one place."""
    return Outcome(
        model=model,
        name=name,
        seed=seed,
        valid=chosen.valid,
        test=judged.values,
        per_user=judged.per_user,
        strata=judged.strata,
        tables=judged.tables | (model.tables() if isinstance(model, Tabled) else {}),
        fit_seconds=fit_seconds,
        score_seconds=judged.score_seconds,
        peak_memory_mb=peak_mb,
        coverage=judged.coverage,
        epochs=chosen.epochs,
        curves=chosen.curves,
    )


def _scorer_of(model: Any) -> tuple[Any, str]:
    """What a bundle carries of the fitted model, or None and why it cannot leave the lab."""
    if not isinstance(model, Exportable):
        return None, f"{type(model).__name__} has no scorer()"
    try:
        return model.scorer(), ""
    except ExportError as error:
        return None, str(error)
