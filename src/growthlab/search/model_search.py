"""The search of one model's settings: from its first trial to its best, in one process or in several."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from growthlab.core.errors import ConfigError, GrowthlabError
from growthlab.core.progress import bar
from growthlab.search.search_loop import Objectives, Search, TrialRecorder
from growthlab.search.search_run import SearchRun
from growthlab.search.study import Study
from growthlab.search.trial import Finished
from growthlab.search.workers import Worker, run_workers
from growthlab.tasks.entry import Contender
from growthlab.tasks.fold_evaluation import FoldEvaluation

log = logging.getLogger(__name__)


@dataclass
class ModelSearch:
    """A study of one model's settings, and all that its trials need.

    `contender` builds the model with some settings, by path of the config
    (``model.neighbours``). `open_recorder` begins or continues the study's run in MLflow.
    `worker` is what each of `n_jobs` processes runs. `limits` are costs that the winner may not
    exceed. `seed` is that of every fit.
    """

    study: Study
    evaluation: FoldEvaluation
    objectives: Objectives
    contender: Callable[[Mapping[str, Any]], Contender]
    open_recorder: Callable[[], SearchRun]
    worker: Worker
    limits: Mapping[str, float] = field(default_factory=dict)
    n_jobs: int = 1
    seed: int = 0
    device: str = "auto"

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.study.name

    def loop(self, recorder: TrialRecorder) -> Search:
        """The loop over trials, as this process or a worker runs it."""
        return Search(
            evaluation=self.evaluation,
            study=self.study,
            recorder=recorder,
            factory=lambda overrides: self.contender(overrides).factory,
            objectives=self.objectives,
            seed=self.seed,
            device=self.device,
        )

    def run(self) -> Finished | None:
        """Search until the budget is used up; the best trial, None if none succeeded.

        Raises
        ------
        GrowthlabError
            No trial succeeded because of a mistake in the input, or none is within the limits.
        """
        recorder = self.open_recorder()
        loop = self.loop(recorder)

        def fail_trials(process: str, reason: str) -> int:
            n_failed = self.study.fail(process, reason)
            recorder.end_orphaned_trials()
            return n_failed

        try:
            before = self.study.n_used()
            if before:
                log.info("study %s: %d trials were made before", self.name, before)
            with bar(self.name, self.study.budget.trials) as show:
                loop.on_change = lambda: show(*_progress(self.study))
                loop.on_change()
                recorder.end_orphaned_trials()
                if self.n_jobs > 1:
                    n_jobs = min(self.n_jobs, self.study.budget.trials)
                    run_workers(self.worker, n_jobs, fail_trials, loop.on_change)
                else:
                    loop.run()
            log.info("study %s: %s", self.name, self.study.ending)
            best = self.best()
        except BaseException as error:
            recorder.end_orphaned_trials()  # what workers left open
            recorder.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        recorder.close("FINISHED" if best else "FAILED", best)
        if best is None:
            self.raise_mistake(loop)
        return best

    def best(self) -> Finished | None:
        """The best complete trial by the first objective, within the limits; the earliest of equals.

        Raises
        ------
        ConfigError
            No trial lies within the limits.
        """
        within = [t for t in self.study.finished() if t.result.state == "complete"]
        for name, limit in self.limits.items():
            # earlier calls of the study, without this limit, may not have measured the cost
            measured = [t for t in within if name in t.result.costs]
            if within and not measured:
                raise ConfigError(
                    f"limits.{name}={limit}: no trial of study {self.name} measured it: "
                    "raise budget.trials, or give study=NAME to begin another"
                )
            lowest = min((t.result.costs[name] for t in measured), default=0.0)
            within = [t for t in measured if t.result.costs[name] <= limit]
            if measured and not within:
                raise ConfigError(
                    f"limits.{name}={limit}: no trial is within it, the lowest is {lowest:.4g}"
                )
        sign = 1 if self.study.maximise[0] else -1
        return max(within, key=lambda t: (sign * t.result.values[0], -t.number), default=None)

    def borders(self, best: Finished) -> dict[str, Any]:
        """The settings of the best trial that lie on a border of their range, with their values."""
        space = self.study.space
        values = {**space.default, **best.overrides}
        return {key: values[key] for key in space.borders(best.overrides)}

    def usage(self) -> dict[str, Any]:
        """What the study used of its budget: trials by how they ended, and minutes."""
        states = [str(t.result.state) for t in self.study.finished()]
        ends = ("complete", "pruned", "failed")
        minutes = round(self.study.seconds_used() / 60, 2)
        return {**{end: states.count(end) for end in ends}, "minutes": minutes}

    def raise_mistake(self, loop: Search) -> None:
        """Raise the last error of the trials where it is a mistake in the input, else log it."""
        if isinstance(loop.last_error, GrowthlabError):
            raise loop.last_error
        log.error("study %s: no trial succeeded; error.txt of each says why", self.name)


def _progress(study: Study) -> tuple[int, str]:
    """How many trials are done, the best so far and the time left."""
    finished = study.finished()
    values = [t.result.values[0] for t in finished if t.result.state == "complete"]
    pick = max if study.maximise[0] else min
    notes = [f"best {pick(values):.4f}"] if values else []
    budget, used = study.budget, study.seconds_used()
    left = [60 * budget.minutes - used] if budget.minutes else []
    if finished:
        left.append(used / len(finished) * (budget.trials - len(finished)))
    if left:
        seconds = max(0, int(min(left)))
        notes.append(f"{seconds // 60}:{seconds % 60:02d} left")
    return len(finished), ", ".join(notes)
