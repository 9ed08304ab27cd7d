"""A search: ask for settings, fit, tell how good they were; what fails or is hopeless does not stop it."""

from __future__ import annotations

import gc
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from growthlab.core.errors import one_line
from growthlab.core.interrupts import raise_if_interrupted
from growthlab.search.trial import Pruned, Result, Trial
from growthlab.tasks.fold_evaluation import ChosenFit, FoldEvaluation, choose

log = logging.getLogger(__name__)

COSTS = ("fit_seconds", "score_seconds", "peak_memory_mb", "bundle_mb")


class TrialSource(Protocol):
    """Who proposes settings and remembers what came of them."""

    def ask(self) -> Trial | None:
        """The next settings; None where the budget is used up or nothing is left to try."""
        ...

    def tell(self, trial: Trial, result: Result) -> None:
        """The trial ended so."""
        ...


class TrialRecorder(Protocol):
    """Who writes down trials for people."""

    def start(self, trial: Trial) -> None:
        """The trial is about to be fitted."""
        ...

    def finish(self, trial: Trial, result: Result, error: Exception | None) -> None:
        """The trial ended."""
        ...


@dataclass(frozen=True)
class Objectives:
    """What a search goes by: names of metrics on the validation window, or of costs.

    `bundle_mb` measures the size of a fitted model's bundle, which is done only where it is asked for.
    """

    names: Sequence[str]
    measured: Sequence[str] = ()  # costs that are limited without being objectives
    bundle_mb: Callable[[FoldEvaluation, ChosenFit], float] | None = None

    def costs(self, evaluation: FoldEvaluation, choice: ChosenFit) -> dict[str, float]:
        """What the choice cost."""
        costs = {
            "fit_seconds": choice.fit_seconds,
            "score_seconds": choice.score_seconds,
            "peak_memory_mb": choice.peak_mb,
        }
        if "bundle_mb" in (*self.names, *self.measured) and self.bundle_mb is not None:
            costs["bundle_mb"] = self.bundle_mb(evaluation, choice)
        return costs


@dataclass
class Search:
    """The loop over the trials of one model. `factory` makes the model of some settings.

    `last_error` is that of the last trial that failed. `on_change` is called after each trial.
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
        """All trials that the study still wants."""
        while (trial := self.study.ask()) is not None:
            self._one(trial)
            self.on_change()

    def _one(self, trial: Trial) -> None:
        """One trial; where the whole process is to end, the trial is told to be interrupted."""
        told = False
        try:
            self.recorder.start(trial)
            result, error = self._result(trial)
            self.study.tell(trial, result)
            told = True
            self.recorder.finish(trial, result, error)
        except BaseException:
            if not told:
                self.study.tell(trial, Result("interrupted", why="the search was ended"))
            raise
        if error is not None:
            self.last_error = _freed(error)
        self._report(trial, result)

    def _result(self, trial: Trial) -> tuple[Result, Exception | None]:
        """Fit and judge; the error where that failed."""
        curve: dict[int, float] = {}

        def on_value(epoch: int, value: float) -> bool:
            curve[epoch] = value
            return trial.report(epoch, value)

        try:
            factory = self.factory(trial.overrides)
            choice = choose(
                self.evaluation, factory, seed=self.seed, device=self.device, on_value=on_value
            )
            return self._judged(choice, curve), None
        except Pruned:
            why = f"hopeless after epoch {max(curve)}"
            return Result("pruned", epochs=max(curve), curve=curve, why=why), None
        except Exception as error:
            raise_if_interrupted()
            why = f"{type(error).__name__}: {one_line(error)}"
            return Result("failed", curve=curve, why=why), error

    def _judged(self, choice: ChosenFit, curve: Mapping[int, float]) -> Result:
        """The result of a fit that came to its end."""
        costs = self.objectives.costs(self.evaluation, choice)
        known = {**choice.valid, **costs}
        values = tuple(float(known[name]) for name in self.objectives.names)
        missing = [n for n, v in zip(self.objectives.names, values, strict=True) if math.isnan(v)]
        result = Result("complete", values, choice.valid, costs, choice.epochs, curve)
        if missing:
            why = f"{missing[0]} is not defined"
            return replace(result, state="failed", values=(), why=why)
        return result

    def _report(self, trial: Trial, result: Result) -> None:
        """The one line that a trial logs."""
        shown = words_of(trial.overrides)
        if result.state == "complete":
            pairs = zip(self.objectives.names, result.values, strict=True)
            log.info("trial %d: %s; %s", trial.number, _named(pairs), shown)
        elif result.state == "pruned":
            log.info("trial %d pruned, %s; %s", trial.number, result.why, shown)
        else:
            log.error("trial %d failed: %s; %s", trial.number, result.why, shown)


def words_of(overrides: Mapping[str, Any]) -> str:
    """Settings for people: ``neighbours=50 l2=0.01234``, numbers with four digits that count."""
    shown = {
        name.partition(".")[2]: f"{value:.4g}" if isinstance(value, float) else value
        for name, value in overrides.items()
    }
    return " ".join(f"{n}={v}" for n, v in shown.items()) or "the model's own settings"


def _named(pairs: Any) -> str:
    """``ndcg_at_10 0.1234, bundle_mb 1.2000``."""
    return ", ".join(f"{name} {value:.4f}" for name, value in pairs)


def _freed(error: Exception) -> Exception:
    """The error without what the failed fit held: the next one may need the memory."""
    error = error.with_traceback(None)
    error.__context__ = None
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return error
