"""An even comparison: every contender, seed and origin in one loop; what fails does not stop the rest."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from growthlab.core.interrupts import raise_if_interrupted
from growthlab.core.progress import progress
from growthlab.evaluation.outcome import Outcome
from growthlab.models.base import SaysStochastic
from growthlab.models.table_estimator import is_seeded
from growthlab.split.fold import Fold
from growthlab.tasks.base import Task
from growthlab.tasks.entry import Contender, Entry
from growthlab.tasks.fold_evaluation import FoldEvaluation, run_model
from growthlab.training.learned_state import WarmStart

log = logging.getLogger(__name__)


class ComparisonRecorder(Protocol):
    """Who writes down what happens, and remembers what an interrupted comparison had finished."""

    def finished_before(self, entry: Entry) -> Outcome | None:
        """What an earlier, interrupted call left of this entry."""
        ...

    def checkpoint(self, entry: Entry) -> Path | None:
        """Where an interrupted fit of this entry finds its last epoch again."""
        ...

    def start(self, entry: Entry, evaluation: FoldEvaluation) -> None:
        """The entry is about to be fitted."""
        ...

    def finish(self, entry: Entry, evaluation: FoldEvaluation, outcome: Outcome) -> None:
        """The entry is done."""
        ...

    def fail(self, entry: Entry, error: Exception) -> None:
        """The entry could not be done; the others go on."""
        ...


@dataclass(frozen=True)
class Results:
    """What a comparison gave: outcomes by origin, and the error of each entry that failed."""

    outcomes: dict[int, list[Outcome]]
    errors: dict[str, Exception]


def run_comparison(
    task: Task,
    folds: Sequence[Fold],
    contenders: Sequence[Contender],
    metrics: Mapping[str, Any],
    *,
    seed: int = 0,
    seeds: int = 1,
    device: str = "auto",
    refit: bool = True,
    recorder: ComparisonRecorder | None = None,
    warm: WarmStart | None = None,
) -> Results:
    """Fit and judge every contender on every fold; stochastic ones with `seeds` seeds.

    `warm` is what an earlier run of the one contender learned, to go on from.
    A model that fails is noted, and the others go on; what all of them share is made first, and a
    mistake in that ends the comparison.
    """
    entries = [
        Entry(contender, each, origin)
        for origin in range(len(folds))
        for contender in contenders
        for each in _seeds_of(contender, seed, seeds)
    ]
    results = Results({origin: [] for origin in range(len(folds))}, {})
    evaluation = None
    for entry in progress(entries, "models", len(entries)):
        before = recorder.finished_before(entry) if recorder is not None else None
        if before is not None:
            log.info("%s: finished before, taken over", entry.label)
            results.outcomes[entry.origin].append(before)
            continue
        if evaluation is None or evaluation.fold is not folds[entry.origin]:
            evaluation = FoldEvaluation(task, folds[entry.origin], metrics, refit)
            evaluation.prepare()
        try:
            outcome = _one(entry, evaluation, device, recorder, warm)
        except Exception as error:
            raise_if_interrupted()
            log.error("%s failed: %s", entry.label, error)
            results.errors[entry.label] = error
            if recorder is not None:
                recorder.fail(entry, error)
        else:
            results.outcomes[entry.origin].append(outcome)
    return results


def _one(
    entry: Entry,
    evaluation: FoldEvaluation,
    device: str,
    recorder: ComparisonRecorder | None,
    warm: WarmStart | None,
) -> Outcome:
    """One entry, run and recorded."""
    checkpoint = None
    if recorder is not None:
        recorder.start(entry, evaluation)
        checkpoint = recorder.checkpoint(entry)
    outcome = run_model(
        evaluation,
        entry.contender.factory,
        name=entry.contender.name,
        seed=entry.seed,
        device=device,
        checkpoint=checkpoint,
        export=recorder is not None,
        label=entry.label,
        warm=warm,
    )
    if recorder is not None:
        recorder.finish(entry, evaluation, outcome)
    return outcome


def _seeds_of(contender: Contender, first: int, n: int) -> list[int]:
    """The seeds of a contender: one, unless another seed gives another model."""
    model = contender.factory()
    seeded = model.stochastic if isinstance(model, SaysStochastic) else is_seeded(model)
    return list(range(first, first + (n if seeded else 1)))
