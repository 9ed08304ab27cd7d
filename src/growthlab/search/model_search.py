"""The search for one model's settings, from the first trial to the best, in one or several processes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from growthlab.core.errors import ConfigError, GrowthlabError
from growthlab.core.progress import bar
from growthlab.evaluation.choice import ChoiceRule, Judged, default_words
from growthlab.models.base import trains_network
from growthlab.search.search_loop import Objectives, SearchLoop, TrialRecorder
from growthlab.search.search_run import SearchRun
from growthlab.search.study import Study
from growthlab.search.trial import FinishedTrial
from growthlab.search.workers import Crew, LocalProcesses, StudyWorkers, Worker
from growthlab.tasks.entry import Contender
from growthlab.tasks.fold_evaluation import FoldEvaluation

log = logging.getLogger(__name__)


@dataclass
class ModelSearch:
    """A study of one model's settings, and everything that its trials need.

    `contender` gives the model with some settings, named by their config path (``model.neighbours``).
    `open_recorder` starts or continues the study's run in MLflow. Each process of `cluster`, `n_jobs` of
    them where it leaves that open, runs `worker`. `limits` are costs that the winner may not exceed.
    `seed` is the seed of every fit.
    """

    study: Study
    evaluation: FoldEvaluation
    objectives: Objectives
    contender: Callable[[Mapping[str, Any]], Contender]
    open_recorder: Callable[[], SearchRun]
    worker: Worker
    cluster: StudyWorkers = field(default_factory=LocalProcesses)
    limits: Mapping[str, float] = field(default_factory=dict)
    n_jobs: int = 1
    seed: int = 0
    device: str = "auto"
    run_id: str = ""  # of the newest run in MLflow

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.study.name

    def loop(self, recorder: TrialRecorder) -> SearchLoop:
        """The loop over trials that this process or a worker runs."""
        return SearchLoop(
            evaluation=self.evaluation,
            study=self.study,
            recorder=recorder,
            factory=lambda overrides: self.contender(overrides).factory,
            objectives=self.objectives,
            seed=self.seed,
            device=self.device,
        )

    def run(self) -> FinishedTrial | None:
        """Search until the budget is used up; returns the best trial, None if none succeeded.

        Raises
        ------
        GrowthlabError
            No trial succeeded because of a mistake in the input, or none is within the limits.
        """
        with bar(self.name, self.study.budget.trials) as update:
            begun = BegunSearch(self, lambda: update(*_progress(self.study)))
            try:
                begun.run_trials()
                return begun.end()
            except BaseException as error:
                begun.give_up(error)
                raise

    def best(self) -> FinishedTrial | None:
        """The complete trial within the limits that the rule chooses by the first objective.

        Of equals it is the earliest; where too few customers decide, the model's own settings.

        Raises
        ------
        ConfigError
            No trial is within the limits.
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
        within.sort(key=lambda t: (not self._has_own_settings(t), t.number))
        ranked = self.rule.rank(within, _judged)
        return ranked[0][0] if ranked else None

    @property
    def rule(self) -> ChoiceRule:
        """How the validation window chooses among trials."""
        return ChoiceRule(self.study.maximise[0], min_deciding=self.evaluation.task.min_deciding)

    def why_by_default(self, best: FinishedTrial) -> str:
        """Why the choice is by default; empty where enough customers decide."""
        n_deciding = _n_deciding(best)
        if not self.rule.is_default(n_deciding):
            return ""
        return f"chosen by default: {default_words(n_deciding, self.rule.min_deciding)}"

    def borders(self, best: FinishedTrial) -> dict[str, Any]:
        """The settings of the best trial that are on a border of their range, with their values."""
        space = self.study.space
        values = {**space.default, **best.overrides}
        return {key: values[key] for key in space.borders(best.overrides)}

    def usage(self) -> dict[str, Any]:
        """The part of the budget that the study used: trials by state, and minutes."""
        states = [str(t.result.state) for t in self.study.finished()]
        counts = {state: states.count(state) for state in ("complete", "pruned", "failed")}
        return {**counts, "minutes": round(self.study.seconds_used() / 60, 2)}

    def _has_own_settings(self, trial: FinishedTrial) -> bool:
        default = self.study.space.default
        return all(default.get(key) == value for key, value in trial.overrides.items())


class BegunSearch:
    """A search between its first trial and its last; `on_change` is called when there are more results.

    Every search that was begun comes to an `end`, or is given up with the error that ended it.
    """

    def __init__(self, search: ModelSearch, on_change: Callable[[], None]) -> None:
        self.search = search
        self._recorder = search.open_recorder()
        search.run_id = self._recorder.run_id
        self._loop = search.loop(self._recorder)
        self._loop.on_change = on_change
        self._is_open = True

    def crew(self) -> Crew:
        """The processes that run the trials; elsewhere each has what a fit of the model is given."""
        search = self.search
        before = search.study.n_used()
        if before:
            log.info("study %s: %d trials were run before", search.name, before)
        self._loop.on_change()
        self._recorder.end_orphaned_trials()
        n_workers = search.cluster.n_workers(search.n_jobs)
        size = min(n_workers, search.study.budget.trials)
        crew = Crew(search.worker, size, self._fail_trials, self._loop.on_change)
        if not search.cluster.elsewhere:
            return crew
        contender = search.contender({})
        on_device = search.device != "cpu" and trains_network(contender.factory())
        return replace(crew, resources=contender.resources, on_device=on_device)

    def run_trials(self) -> None:
        """Run trials, in this process or in workers, until the budget is used up."""
        crew, cluster = self.crew(), self.search.cluster
        if not cluster.elsewhere and crew.size == 1:
            self._loop.run()
            return
        with closing(cluster.run_crews([crew])) as ended:
            for _, error in ended:
                if error is not None:
                    raise error

    def end(self) -> FinishedTrial | None:
        """See `ModelSearch.run`."""
        search = self.search
        log.info("study %s: %s", search.name, search.study.stop_reason)
        best = search.best()
        self._recorder.close("FINISHED" if best else "FAILED", best)
        self._is_open = False
        if best is None and isinstance(self._loop.last_error, GrowthlabError):
            raise self._loop.last_error
        if best is None:
            log.error("study %s: no trial succeeded; see error.txt of each", search.name)
        return best

    def outcome(
        self, failure: Exception | None
    ) -> tuple[FinishedTrial | None, GrowthlabError | None]:
        """The best trial, or the error that ends the search alone; `failure` is that of its processes."""
        try:
            if failure is not None:
                raise failure
            return self.end(), None
        except GrowthlabError as error:
            self.give_up(error)
            return None, error

    def give_up(self, error: BaseException) -> None:
        """End the runs that are open, of trials that workers left too."""
        if not self._is_open:
            return
        self._is_open = False
        self._recorder.end_orphaned_trials()
        self._recorder.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")

    def _fail_trials(self, process: str, reason: str) -> int:
        n_failed = self.search.study.fail(process, reason)
        self._recorder.end_orphaned_trials()
        return n_failed


def run_searches(
    searches: Sequence[ModelSearch],
) -> Iterator[tuple[int, FinishedTrial | None, GrowthlabError | None]]:
    """Run the searches, on a cluster beside each other; the place of each as it ends, and its best trial.

    With it comes the error that `ModelSearch.run` would have raised.
    """
    if not searches[0].cluster.elsewhere:
        for place, search in enumerate(searches):
            try:
                yield place, search.run(), None
            except GrowthlabError as error:
                yield place, None, error
        return
    begun: list[BegunSearch] = []
    with bar("trials", sum(search.study.budget.trials for search in searches)) as update:

        def show() -> None:
            update(sum(len(search.study.finished()) for search in searches), "")

        try:
            begun.extend(BegunSearch(search, lambda: None) for search in searches)
            crews = [each.crew() for each in begun]
            with closing(searches[0].cluster.run_crews(crews)) as ended:
                for place, failure in ended:
                    show()
                    yield place, *begun[place].outcome(failure)
        except BaseException as error:
            for each in begun:
                each.give_up(error)
            raise


def _judged(trial: FinishedTrial) -> Judged:
    return Judged(trial.number, "", trial.result.values[0], _n_deciding(trial))


def _n_deciding(trial: FinishedTrial) -> float:
    n_deciding = trial.result.n_deciding
    return math.nan if n_deciding is None else n_deciding


def _progress(study: Study) -> tuple[int, str]:
    """The number of finished trials, and a text with the best value so far and the time left."""
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
