"""One model and one seed on one fold: choose on the validation window, refit, evaluate once on the future."""

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
from growthlab.core.errors import ConfigError, ExportError
from growthlab.evaluation.outcome import ModelEvaluation, Outcome
from growthlab.evaluation.resamples import N_RESAMPLES
from growthlab.models.base import Exportable, RecordsLosses, Tabled, TrainsNetwork
from growthlab.models.boosting import patience_of
from growthlab.split.fold import Cut, Fold, TableFold
from growthlab.tasks.base import AnswersForTables, Calibrates, Task
from growthlab.tasks.objective import objective_metric
from growthlab.tasks.resource_usage import measure_usage
from growthlab.tasks.warm_start import learned_state, require_earlier_run
from growthlab.training.epoch_watch import EpochWatch
from growthlab.training.fit_options import FitOptions
from growthlab.training.learned_state import LearnedState, WarmStart, read_state, write_state

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldEvaluation:
    """A task on a fold with its metrics, and the data that all models of a comparison share.

    Pickled for another process it has the prepared data and the cutoffs, and no events.
    """

    task: Task
    fold: Cut[Any]
    metrics: Mapping[str, Any]
    refit: bool = True  # after choosing, fit again on past + valid
    n_resamples: int = N_RESAMPLES  # of customers, for the bounds of the test metrics

    @cached_property
    def selection_data(self) -> Any:
        """The task's data on the inner fold, whose future is the validation window."""
        return self._data(self.fold.for_choosing())

    @cached_property
    def test_data(self) -> Any:
        """The task's data on the fold itself, on which each model is evaluated once."""
        return self._data(self.fold, None if self.fits_anew else self.selection_data)

    def _data(self, fold: Cut[Any], fitted_on: Any = None) -> Any:
        """The task's data on a fold of events, or of a table."""
        if isinstance(fold, TableFold):
            assert isinstance(self.task, AnswersForTables)  # checked before the data is read
            return self.task.table_data(fold)
        assert isinstance(fold, Fold)
        return self.task.data(fold, fitted_on)

    @property
    def fits_anew(self) -> bool:
        """Whether the evaluated model is fitted to the whole past: also where nothing was chosen."""
        return self.refit or self.fold.inner is None

    def prepare(self) -> None:
        """Build the shared data, so that a mistake in it shows before any model is fitted."""
        _ = self.objective_metric, self.test_data
        if self.fold.inner is not None:
            _ = self.selection_data

    def __getstate__(self) -> dict[str, Any]:
        """What models are fitted to and evaluated on, as plain arrays and tables."""
        self.prepare()
        return {**vars(self), "fold": self.fold.without_data()}

    @cached_property
    def objective_metric(self) -> dict[str, Any]:
        """The metric that gives the objective, by its key."""
        return objective_metric(self.task, self.metrics)


@dataclass(frozen=True)
class ChosenFit:
    """A model fitted to the inner past: its metrics on the validation window, and the best epoch.

    `model` is None if the choice was read from an interrupted call. `learned` is the state from which
    a later run can continue. `calibration` is that of the model's probabilities on the window; the
    metrics in `valid` are those of what is shipped, the calibrated model.
    """

    model: Any
    valid: dict[str, float]
    epochs: int | None  # None: the model is not trained in epochs
    curves: dict[str, list[float]]
    fit_seconds: float
    peak_mb: float
    fit_cpu_seconds: float | None = None  # None in the choice of an earlier version
    score_seconds: float = math.nan
    learned: LearnedState | None = None
    calibration: dict[str, Any] | None = None
    n_deciding: int | None = None  # customers who decide on the window; None: not counted


NO_CHOICE = ChosenFit(
    model=None, valid={}, epochs=None, curves={}, fit_seconds=0.0, peak_mb=0.0, fit_cpu_seconds=0.0
)
"""The choice on a fold without a validation window: the model's own settings."""


def choose_fit(
    evaluation: FoldEvaluation,
    factory: Callable[[], Any],
    *,
    seed: int = 0,
    device: str = "auto",
    checkpoint: Path | None = None,
    on_value: Callable[[int, float], bool] | None = None,
    warm: LearnedState | None = None,
) -> ChosenFit:
    """Fit to the inner past with early stopping, and evaluate on the validation window.

    `on_value` is called after each epoch, see `EpochWatch`. `warm` is the state to continue from.
    """
    task = evaluation.task
    watch = epoch_watch(evaluation, factory(), seed, checkpoint, on_value)
    stage = _stage(checkpoint, "choose")
    options = FitOptions(seed=seed, device=device, on_epoch=watch, checkpoint=stage, warm=warm)
    with measure_usage() as usage:
        model = task.fit(factory(), evaluation.selection_data, options)
    result = task.evaluate(
        model, evaluation.selection_data, evaluation.metrics, seed=seed, intervals=False
    )
    valid = {n: e.value for n, e in result.values.items()}
    calibration = task.calibration_of(result) if isinstance(task, Calibrates) else None
    if calibration is not None and isinstance(task, Calibrates):
        valid |= task.valid_after_calibration(result, evaluation.metrics, calibration)
    curves = {"loss": list(model.losses_) if isinstance(model, RecordsLosses) else []}
    if watch is not None:
        curves[f"valid/{task.objective}"] = [watch.values[n] for n in sorted(watch.values)]
    return ChosenFit(
        model=model,
        valid=valid,
        epochs=watch.best_epoch if watch is not None and watch.values else None,
        curves={n: values for n, values in curves.items() if values},
        fit_seconds=usage.seconds,
        fit_cpu_seconds=usage.cpu_seconds,
        peak_mb=usage.peak_mb,
        score_seconds=result.score_seconds,
        learned=learned_state(model, evaluation.selection_data, evaluation.fold.for_choosing()),
        calibration=calibration,
        n_deciding=task.n_deciding(result),
    )


def require_choices(fold: Cut[Any], models: Mapping[str, Callable[[], Any]]) -> None:
    """Raise a `ConfigError` if a model, by its name, needs a choice and the fold leaves no window for it."""
    if fold.inner is not None:
        return
    in_epochs = [name for name, factory in models.items() if patience_of(factory()) is not None]
    if in_epochs:
        raise ConfigError(
            f"the split has no validation window, on which the epochs or trees of {', '.join(in_epochs)} "
            "are chosen: give it one with split.valid, or leave these models out"
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
    """Choose on the inner fold, refit on the whole past with the chosen epochs, and evaluate once.

    On a fold without an inner one nothing is chosen: the model is fitted once and not calibrated.

    With `export` the outcome holds the scorer for a bundle. `label` names the model in the log. `warm`
    is the state of an earlier run of the model, to continue from.

    Raises
    ------
    ConfigError
        The earlier run has seen events of the windows on which this one is chosen or evaluated.
    """
    if warm is not None:
        require_earlier_run(warm, evaluation.fold)
    task = evaluation.task
    choice = checkpoint / "choice.json" if checkpoint is not None and evaluation.refit else None
    chosen = _read_choice(choice)
    if evaluation.fold.inner is None:
        chosen = NO_CHOICE
    if chosen is None:
        start = None if warm is None else warm.choosing
        chosen = choose_fit(
            evaluation, factory, seed=seed, device=device, checkpoint=checkpoint, warm=start
        )
        if choice is not None:
            _write_choice(choice, chosen)
    model, fit_seconds, peak_mb = chosen.model, chosen.fit_seconds, chosen.peak_mb
    fit_cpu_seconds = chosen.fit_cpu_seconds
    if evaluation.fits_anew:
        stage = _stage(checkpoint, "refit")
        start = None if warm is None else warm.judged
        options = FitOptions(
            seed=seed, device=device, epochs=chosen.epochs, checkpoint=stage, warm=start
        )
        with measure_usage() as usage:
            model = task.fit(factory(), evaluation.test_data, options)
        fit_seconds, fit_cpu_seconds = usage.seconds, usage.cpu_seconds
        peak_mb = max(peak_mb, usage.peak_mb)
    if chosen.calibration is not None and isinstance(task, Calibrates):
        model = task.calibrated(model, chosen.calibration)
    with measure_usage() as usage:
        result = task.evaluate(
            model,
            evaluation.test_data,
            evaluation.metrics,
            seed=seed,
            n_resamples=evaluation.n_resamples,
        )
    label = label or f"{name} seed {seed}"
    _log_result(label, task.objective, chosen, result, fit_seconds)
    log.info(
        "%s: evaluated in %.1f CPU s, scoring, every metric, strata and %d resamples included",
        label,
        usage.cpu_seconds,
        evaluation.n_resamples,
    )
    outcome = _outcome(model, name, seed, chosen, result, fit_seconds, peak_mb)
    outcome = replace(outcome, fit_cpu_seconds=fit_cpu_seconds)
    if not export:
        return outcome
    scorer, why_not = scorer_of(model)
    if why_not:
        log.warning("%s is not exportable, so it cannot be promoted: %s", label, why_not)
    learned = _learned(evaluation, chosen, model)
    return replace(outcome, scorer=scorer, why_not_exportable=why_not, learned=learned)


def _log_result(
    label: str, objective: str, chosen: ChosenFit, result: ModelEvaluation, seconds: float
) -> None:
    """Log one line on a model."""
    test = result.values[objective].value
    epochs = "" if chosen.epochs is None else f" (epoch {chosen.epochs})"
    valid, how = "", "nothing to choose"
    if chosen is not NO_CHOICE:
        valid = f"{chosen.valid[objective]:.4f} valid, "
        how = f"chosen in {chosen.fit_seconds:.1f} s{epochs}"
    log.info(
        "%s: %s %s%.4f test; %s, fitted in %.1f s, scored in %.1f s",
        *(label, objective, valid, test, how, seconds, result.score_seconds),
    )


def _read_choice(path: Path | None) -> ChosenFit | None:
    """The choice that an interrupted call wrote, without its model; None if there is none."""
    if path is None or not path.exists():
        return None
    state = path.with_suffix(".npz")
    learned = read_state(state) if state.exists() else None
    return ChosenFit(model=None, learned=learned, **json.loads(path.read_text()))


def _write_choice(path: Path, chosen: ChosenFit) -> None:
    """Write the choice for a later call; `path` itself last, as its existence says that it is complete."""
    if chosen.learned is not None:
        write_state(chosen.learned, path.with_suffix(".npz"))
    write_json(path, {n: v for n, v in vars(chosen).items() if n not in ("model", "learned")})


def _learned(evaluation: FoldEvaluation, chosen: ChosenFit, model: Any) -> WarmStart | None:
    """The states from which a later run can continue; None if the model cannot."""
    if chosen.learned is None:
        return None
    final = chosen.learned
    if evaluation.refit:
        refitted = learned_state(model, evaluation.test_data, evaluation.fold)
        if refitted is None:
            return None
        final = refitted
    return WarmStart(chosen.learned, final)


def epoch_watch(
    evaluation: FoldEvaluation,
    model: Any,
    seed: int,
    checkpoint: Path | None = None,
    on_value: Callable[[int, float], bool] | None = None,
) -> EpochWatch | None:
    """An `EpochWatch` on the validation window; None for a model without epochs."""
    patience = patience_of(model)
    if patience is None:
        return None
    task = evaluation.task

    def evaluate(model: Any) -> float:
        result = task.evaluate(
            model,
            evaluation.selection_data,
            evaluation.objective_metric,
            seed=seed,
            intervals=False,
        )
        return result.values[task.objective].value

    memory = checkpoint / "choose" / "watch.json" if checkpoint is not None else None
    label = f"valid {task.objective}"
    return EpochWatch(evaluate, patience, task.maximise, memory, on_value, label)


def _stage(checkpoint: Path | None, name: str) -> Path | None:
    """The checkpoint folder of one fit of a run."""
    return checkpoint / name if checkpoint is not None else None


def _outcome(
    model: Any,
    name: str,
    seed: int,
    chosen: ChosenFit,
    result: ModelEvaluation,
    fit_seconds: float,
    peak_mb: float,
) -> Outcome:
    """The outcome of a chosen, refitted and evaluated model."""
    return Outcome(
        model=model,
        name=name,
        seed=seed,
        valid=chosen.valid,
        test=result.values,
        per_user=result.per_user,
        strata=result.strata,
        tables=result.tables | (model.tables() if isinstance(model, Tabled) else {}),
        fit_seconds=fit_seconds,
        score_seconds=result.score_seconds,
        peak_memory_mb=peak_mb,
        coverage=result.coverage,
        rough=result.rough,
        n_deciding=math.nan if chosen.n_deciding is None else chosen.n_deciding,
        epochs=chosen.epochs,
        device=_device_of(model),
        curves=chosen.curves,
    )


def _device_of(model: Any) -> str:
    """The device of the fitted model's network; models without one run on the CPU."""
    if not isinstance(model, TrainsNetwork):
        return "cpu"
    return str(next(model.network_.parameters()).device.type)


def scorer_of(model: Any) -> tuple[Any, str]:
    """The scorer of the fitted model, or None and the reason why it cannot be exported."""
    if not isinstance(model, Exportable):
        return None, f"{type(model).__name__} has no scorer()"
    try:
        return model.scorer(), ""
    except ExportError as error:
        return None, str(error)
