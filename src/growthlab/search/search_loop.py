"""The loop of a search: ask for settings, fit, report the result; failed and pruned trials do not stop it."""

from __future__ import annotations

import gc
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from growthlab.core.errors import one_line
from growthlab.core.interrupts import raise_if_interrupted, uninterrupted
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.search.override_words import settings_text
from growthlab.search.trial import Trial, TrialPruned, TrialResult
from growthlab.tasks.fold_evaluation import ChosenFit, FoldEvaluation, choose_fit

log = logging.getLogger(__name__)

COSTS = ("fit_seconds", "score_seconds", "peak_memory_mb", "bundle_mb")


class TrialSource(Protocol):
    """Proposes settings and stores their results."""

    def ask(self) -> Trial | None:
        """The next settings; None where the budget is used up or nothing is left to try."""
        ...

    def tell(self, trial: Trial, result: TrialResult) -> None:
        """Store the result of a trial."""
        ...


class TrialRecorder(Protocol):
    """Logs trials for people to look at."""

    def start(self, trial: Trial) -> None:
        """Called before the trial is fitted."""
        ...

    def finish(self, trial: Trial, result: TrialResult, error: Exception | None) -> None:
        """Called after the trial ended."""
        ...


@dataclass(frozen=True)
class Objectives:
    """What a search optimises: names of metrics on the validation window, or of costs.

    `limited` names costs that have a limit without being objectives. `bundle_mb` measures the size of
    a fitted model's bundle, which is done only where that is an objective or limited.
    """

    names: Sequence[str]
    limited: Sequence[str] = ()
    bundle_mb: Callable[[FoldEvaluation, ChosenFit], float] | None = None

    def costs(self, evaluation: FoldEvaluation, fit: ChosenFit) -> dict[str, float]:
        """The costs of a fit, by name."""
        costs = {
            "fit_seconds": fit.fit_seconds,
            "score_seconds": fit.score_seconds,
            "peak_memory_mb": fit.peak_mb,
        }
        if "bundle_mb" in (*self.names, *self.limited) and self.bundle_mb is not None:
            costs["bundle_mb"] = self.bundle_mb(evaluation, fit)
        return costs


@dataclass
class SearchLoop:
    """The loop over the trials of one model.

    `factory` gives the factory of a model with some settings. `last_error` is the error of the last
    trial that failed. `on_change` is called after each trial.
    """

    evaluation: FoldEvaluation
    study: TrialSource
    recorder: TrialRecorder
    factory: Callable[[Mapping[str, Any]], Callable[[], Any]]
    objectives: Objectives
    seed: int = 0
    device: str = "auto"
    on_change: Callable[[], None] = lambda: None
    last_error: Exception | None = None

    def run(self) -> None:
        """Run trials until the study has no more."""
        while (trial := self.study.ask()) is not None:
            self._run_trial(trial)
            self.on_change()

    def _run_trial(self, trial: Trial) -> None:
        """Run and record one trial; an exception that ends the process marks it as interrupted."""
        stored = False
        try:
            self.recorder.start(trial)
            result, error = self._fit_and_evaluate(trial)
            with uninterrupted():  # a stored result is always logged too
                self.study.tell(trial, result)
                stored = True
                self.recorder.finish(trial, result, error)
        except BaseException:
            if not stored:
                self.study.tell(trial, TrialResult("interrupted", why="the search was ended"))
            raise
        if error is not None:
            self.last_error = _without_memory(error)
        self._log_result(trial, result)

    def _fit_and_evaluate(self, trial: Trial) -> tuple[TrialResult, Exception | None]:
        """The result of a trial, with the error if it failed."""
        curve: dict[int, float] = {}

        def on_value(epoch: int, value: float) -> bool:
            curve[epoch] = value
            return trial.report(epoch, value)

        try:
            factory = self.factory(trial.overrides)
            fit = choose_fit(
                self.evaluation, factory, seed=self.seed, device=self.device, on_value=on_value
            )
            return self._result_of(fit, curve), None
        except TrialPruned:
            why = f"below the median after epoch {max(curve)}"
            return TrialResult("pruned", epochs=max(curve), curve=curve, why=why), None
        except Exception as error:
            raise_if_interrupted()
            raise_if_storage_failed(error)
            why = f"{type(error).__name__}: {one_line(error)}"
            return TrialResult("failed", curve=curve, why=why), error

    def _result_of(self, fit: ChosenFit, curve: Mapping[int, float]) -> TrialResult:
        """The result of a fit that was not pruned; failed if an objective is not defined."""
        costs = self.objectives.costs(self.evaluation, fit)
        known = {**fit.valid, **costs}
        values = tuple(float(known[name]) for name in self.objectives.names)
        undefined = [n for n, v in zip(self.objectives.names, values, strict=True) if math.isnan(v)]
        n_deciding = None if self.objectives.names[0] in COSTS else fit.n_deciding
        result = TrialResult(
            "complete", values, fit.valid, costs, fit.epochs, curve, n_deciding=n_deciding
        )
        if undefined:
            why = f"{undefined[0]} is not defined"
            return replace(result, state="failed", values=(), why=why)
        return result

    def _log_result(self, trial: Trial, result: TrialResult) -> None:
        """Log one line on a trial."""
        settings = settings_text(trial.overrides)
        if result.state == "complete":
            pairs = zip(self.objectives.names, result.values, strict=True)
            values = ", ".join(f"{name} {value:.4f}" for name, value in pairs)
            log.info("trial %d: %s; %s", trial.number, values, settings)
        elif result.state == "pruned":
            log.info("trial %d pruned, %s; %s", trial.number, result.why, settings)
        else:
            log.error("trial %d failed: %s; %s", trial.number, result.why, settings)


def _without_memory(error: Exception) -> Exception:
    """The error without references to the failed fit, whose memory the next fit may need."""
    error = error.with_traceback(None)
    error.__context__ = None
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return error
