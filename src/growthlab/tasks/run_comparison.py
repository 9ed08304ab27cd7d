"""An even comparison: every contender, seed and origin in one loop; failures do not stop the rest."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from growthlab.core.errors import LackingDataError
from growthlab.core.interrupts import raise_if_interrupted
from growthlab.core.progress import progress
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.evaluation.outcome import Outcome
from growthlab.evaluation.resamples import N_RESAMPLES
from growthlab.models.base import SaysStochastic
from growthlab.models.table_estimator import is_seeded
from growthlab.split.fold import Cut
from growthlab.tasks.base import Task
from growthlab.tasks.entry import Contender, Entry
from growthlab.tasks.fold_evaluation import FoldEvaluation, require_choices, run_model
from growthlab.training.learned_state import WarmStart

log = logging.getLogger(__name__)


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
) -> ComparisonResults:
    """Fit and evaluate every contender on every fold; stochastic ones with `seeds` seeds.

    `warm` is the state of an earlier run of a single contender, to continue from. With `leave_out` a model
    that the data lacks something for (`LackingDataError`) takes no part, and has not failed. A failed one is
    recorded, and the others continue. What no model can mend ends the comparison: storage that
    failed, and a mistake in the data that they share, which is built first.
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
    results = ComparisonResults({origin: [] for origin in range(len(folds))}, {})
    evaluation = None
    for number, entry in enumerate(progress(entries, "models", len(entries)), start=1):
        if entry.contender.name in results.left_out:
            continue
        before = recorder.finished_before(entry) if recorder is not None else None
        if before is not None:
            log.info("%s: finished in an earlier call", entry.label)
            results.outcomes[entry.origin].append(before)
            continue
        if evaluation is None or evaluation.fold is not folds[entry.origin]:
            evaluation = FoldEvaluation(task, folds[entry.origin], metrics, refit, n_resamples)
            evaluation.prepare()
        log.info("%s: fitting, %d of %d", entry.label, number, len(entries))
        try:
            outcome = _run_entry(entry, evaluation, device, recorder, warm)
        except Exception as error:
            raise_if_interrupted()
            raise_if_storage_failed(error)
            if leave_out and isinstance(error, LackingDataError):
                log.info("%s: left out, as %s", entry.contender.name, error)
                results.left_out[entry.contender.name] = str(error)
                if recorder is not None:
                    recorder.leave_out(entry)
                continue
            log.error("%s failed: %s", entry.label, error)
            results.errors[entry.label] = error
            if recorder is not None:
                recorder.fail(entry, error)
        else:
            results.outcomes[entry.origin].append(outcome)
    return results


def _run_entry(
    entry: Entry,
    evaluation: FoldEvaluation,
    device: str,
    recorder: ComparisonRecorder | None,
    warm: WarmStart | None,
) -> Outcome:
    """Run and record one entry."""
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
    """The seeds of a contender; a single one for a deterministic model."""
    model = contender.factory()
    seeded = model.stochastic if isinstance(model, SaysStochastic) else is_seeded(model)
    return list(range(first, first + (n if seeded else 1)))
