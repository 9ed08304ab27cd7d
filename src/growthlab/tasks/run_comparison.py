"""An even comparison: every contender, seed and origin is a job; failures do not stop the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol

from growthlab.core.errors import LackingDataError
from growthlab.core.interrupts import raise_if_interrupted
from growthlab.core.progress import bar
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.evaluation.outcome import Outcome
from growthlab.evaluation.resamples import N_RESAMPLES
from growthlab.models.base import trains_network
from growthlab.models.table_estimator import is_stochastic
from growthlab.split.fold import Cut
from growthlab.tasks.base import Task
from growthlab.tasks.entry import Contender, Entry
from growthlab.tasks.executor import Executor, Job, JobEnded, JobStarted, PlainLoop
from growthlab.tasks.fold_evaluation import FoldEvaluation, require_choices, run_model
from growthlab.training.learned_state import WarmStart

log = logging.getLogger(__name__)

MEMORY_MARGIN = 1.5  # another seed or origin takes other memory


class ComparisonRecorder(Protocol):
    """Logs a comparison, and knows what an interrupted call of it had finished."""

    def finished_before(self, entry: Entry) -> Outcome | None:
        """The outcome of the entry in an interrupted call; None if it had not finished."""
        ...

    def checkpoint(self, entry: Entry) -> Path | None:
        """The checkpoint folder from which an interrupted fit of the entry resumes; None: no checkpoint."""
        ...

    def start(self, entry: Entry, evaluation: FoldEvaluation) -> None:
        """Called before the entry is fitted."""
        ...

    def finish(self, entry: Entry, evaluation: FoldEvaluation, outcome: Outcome) -> None:
        """Called with the outcome of the entry."""
        ...

    def fail(self, entry: Entry, error: Exception) -> None:
        """Called where the entry failed."""
        ...

    def leave_out(self, entry: Entry) -> None:
        """Called where the entry takes no part after all."""
        ...


@dataclass(frozen=True)
class ComparisonResults:
    """The outcomes of a comparison by origin, and the error of each failed entry by its label.

    `left_out` has the reason for each model that the data lacks something for.
    """

    outcomes: dict[int, list[Outcome]]
    errors: dict[str, Exception]
    left_out: dict[str, str] = field(default_factory=dict)


def run_comparison(
    task: Task,
    folds: Sequence[Cut[Any]],
    contenders: Sequence[Contender],
    metrics: Mapping[str, Any],
    *,
    seed: int = 0,
    seeds: int = 1,
    device: str = "auto",
    refit: bool = True,
    n_resamples: int = N_RESAMPLES,
    recorder: ComparisonRecorder | None = None,
    warm: WarmStart | None = None,
    leave_out: bool = False,
    executor: Executor | None = None,
) -> ComparisonResults:
    """Fit and evaluate every contender on every fold; stochastic ones with `seeds` seeds.

    `warm` is the state of an earlier run of a single contender, to continue from. With `leave_out` a model
    that the data lacks something for (`LackingDataError`) takes no part, and has not failed. A failed one is
    recorded, and the others continue. What no model can mend ends the comparison: storage that
    failed, and a mistake in the data that they share, which is built first. The results do not depend on
    where and in which order the `executor` runs the fits; by default one runs after the other here.
    """
    entries = [
        Entry(contender, each, origin)
        for origin in range(len(folds))
        for contender in contenders
        for each in _seeds_of(contender, seed, seeds)
    ]
    models = {contender.name: contender.factory for contender in contenders}
    for fold in folds:
        require_choices(fold, models)
    executor = executor or PlainLoop()
    kept = len(folds) if executor.several_at_once else 1
    comparison = _RunningComparison(
        evaluations=_Evaluations(task, folds, metrics, refit, n_resamples, kept),
        entries=entries,
        device=device,
        recorder=recorder,
        warm=warm,
        leave_out=leave_out,
    )
    return comparison.run(executor)


@dataclass
class _Evaluations:
    """The evaluations of the folds that entries are taken from, `kept` of them at a time."""

    task: Task
    folds: Sequence[Cut[Any]]
    metrics: Mapping[str, Any]
    refit: bool
    n_resamples: int
    kept: int
    _newest: dict[int, FoldEvaluation] = field(default_factory=dict)

    def of(self, origin: int) -> FoldEvaluation:
        """The prepared evaluation of an origin."""
        if origin not in self._newest:
            while len(self._newest) >= self.kept:
                self._newest.pop(next(iter(self._newest)))
            evaluation = FoldEvaluation(
                self.task, self.folds[origin], self.metrics, self.refit, self.n_resamples
            )
            evaluation.prepare()
            self._newest[origin] = evaluation
        return self._newest[origin]


@dataclass
class _RunningComparison:
    """The entries of a comparison while they run, and what became of each, by its place."""

    evaluations: _Evaluations
    entries: Sequence[Entry]
    device: str
    recorder: ComparisonRecorder | None
    warm: WarmStart | None
    leave_out: bool
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    errors: dict[int, Exception] = field(default_factory=dict)
    left_out: dict[str, tuple[int, str]] = field(default_factory=dict)  # model -> place, reason
    places: dict[Job, int] = field(default_factory=dict)  # of the jobs that have not ended
    running: dict[Job, str] = field(default_factory=dict)  # the process of each

    def run(self, executor: Executor) -> ComparisonResults:
        """Run what was not finished before."""
        with bar("models", len(self.entries)) as update:
            for event in executor.run(self._jobs(executor.several_at_once)):
                if isinstance(event, JobStarted):
                    self._start(event)
                else:
                    self._end(event)
                update(len(self.outcomes) + len(self.errors), _where(self.running))
        return self._results()

    def _jobs(self, several_at_once: bool) -> Iterator[Job]:
        """A job for each entry that an earlier call had not finished."""
        in_order = range(len(self.entries))
        for place in self._for_many_workers() if several_at_once else in_order:
            entry = self.entries[place]
            if entry.contender.name in self.left_out:
                continue
            before = self.recorder.finished_before(entry) if self.recorder is not None else None
            if before is not None:
                log.info("%s: finished in an earlier call", entry.label)
                self.outcomes[place] = before
                continue
            job = self._job(entry)
            self.places[job] = place
            yield job

    def _for_many_workers(self) -> Iterator[int]:
        """The places of the entries in an order that keeps many workers busy, whatever their number.

        First one of each model, networks before others, as nothing is known of what they take; then the
        one that takes longest and the one that takes least in turn, by the model's newest seconds. So
        none of the long ones begins late, and the short ones, which wait for each other to be recorded,
        are not left for the end.
        """
        left = list(range(len(self.entries)))
        names = [entry.contender.name for entry in self.entries]
        factories = {entry.contender.name: entry.contender.factory for entry in self.entries}
        first = {name: names.index(name) for name in reversed(names)}
        for name in sorted(factories, key=lambda n: (not trains_network(factories[n]()), first[n])):
            left.remove(first[name])
            yield first[name]
        for choose in cycle((max, min)):
            if not left:
                return
            known = {o.name: o.fit_seconds + o.score_seconds for o in self.outcomes.values()}
            place = choose(left, key=lambda n: known.get(names[n], 0.0))
            left.remove(place)
            yield place

    def _job(self, entry: Entry) -> Job:
        """The fit of an entry."""
        evaluation = self.evaluations.of(entry.origin)
        work = partial(
            run_model,
            factory=entry.contender.factory,
            name=entry.contender.name,
            seed=entry.seed,
            device=self.device,
            checkpoint=self.recorder.checkpoint(entry) if self.recorder is not None else None,
            export=self.recorder is not None,
            label=entry.label,
            warm=self.warm,
        )
        on_device = self.device != "cpu" and trains_network(entry.contender.factory())
        return Job(
            entry.label,
            work,
            evaluation,
            entry.contender.resources,
            on_device,
            self._predicted_mb(entry.contender.name),
        )

    def _predicted_mb(self, model: str) -> float | None:
        """What a fit of the model is expected to add: half more than the most that one added so far."""
        added = [o.peak_memory_mb for o in self.outcomes.values() if o.name == model]
        return MEMORY_MARGIN * max(added) if added else None

    def _start(self, event: JobStarted) -> None:
        """Record that an entry runs; not again where its first process was lost."""
        entry, job, process = self.entries[self.places[event.job]], event.job, event.process
        where = f" in {_shown(process)}" if process else ""
        number = self.places[job] + 1
        log.info("%s: fitting%s, %d of %d", entry.label, where, number, len(self.entries))
        started_before = job in self.running
        self.running[job] = process
        if self.recorder is None or started_before:
            return
        try:
            self.recorder.start(entry, job.shared)
        except Exception as error:
            event.dropped = True
            self.running.pop(job)
            self._fail(self.places.pop(job), error)

    def _end(self, event: JobEnded) -> None:
        """Record the result of an entry, or why it has none."""
        place, error = self.places.pop(event.job), event.error
        entry = self.entries[place]
        self.running.pop(event.job, None)
        if self._is_left_out(place):
            self._remove(place)
            return
        try:
            if error is not None:
                raise error
            if self.recorder is not None:
                self.recorder.finish(entry, event.job.shared, event.result)
        except Exception as reason:
            self._fail(place, reason)
        else:
            self.outcomes[place] = event.result

    def _fail(self, place: int, error: Exception) -> None:
        """Leave a failed entry out, or record it as failed."""
        raise_if_interrupted()
        raise_if_storage_failed(error)
        entry = self.entries[place]
        name = entry.contender.name
        if self.leave_out and isinstance(error, LackingDataError):
            if name not in self.left_out:
                log.info("%s: left out, as %s", name, error)
            found = (place, str(error))
            self.left_out[name] = min(self.left_out.get(name, found), found)
            self._remove(place)
            for later in [n for n in self.outcomes if self._is_left_out(n)]:
                del self.outcomes[later]  # one fit after the other would not have come to it
                self._remove(later)
            return
        log.error("%s failed: %s", entry.label, error)
        self.errors[place] = error
        if self.recorder is not None:
            self.recorder.fail(entry, error)

    def _remove(self, place: int) -> None:
        """Remove what was recorded of an entry that takes no part after all."""
        if self.recorder is not None:
            self.recorder.leave_out(self.entries[place])

    def _is_left_out(self, place: int) -> bool:
        """Whether a fit before this one, in the order of the entries, has left the model out."""
        first = self.left_out.get(self.entries[place].contender.name)
        return first is not None and first[0] < place

    def _results(self) -> ComparisonResults:
        """The outcomes and errors in the order of the entries."""
        results = ComparisonResults(
            {origin: [] for origin in range(len(self.evaluations.folds))}, {}
        )
        results.left_out.update({name: why for name, (_, why) in self.left_out.items()})
        for place, entry in enumerate(self.entries):
            if place in self.errors:
                results.errors[entry.label] = self.errors[place]
            elif place in self.outcomes:
                results.outcomes[entry.origin].append(self.outcomes[place])
        return results


def _seeds_of(contender: Contender, first: int, n: int) -> list[int]:
    """The seeds of a contender; a single one for a deterministic model."""
    return list(range(first, first + (n if is_stochastic(contender.factory()) else 1)))


def _where(running: Mapping[Job, str]) -> str:
    """Which fits run where, for the progress bar."""
    return ", ".join(
        f"{job.label} in {_shown(process)}" if process else job.label
        for job, process in running.items()
    )


def _shown(process: str) -> str:
    """``host:number`` of the process ``host:number:start``."""
    return process.rpartition(":")[0]
