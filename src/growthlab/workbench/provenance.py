"""The provenance of a model, which its bundle records."""

from __future__ import annotations

from typing import Any

from growthlab.bundle.answer_kinds import TaskAnswer
from growthlab.bundle.manifest import Provenance
from growthlab.core.pseudonyms import PLAIN, PSEUDONYM
from growthlab.data.labelled_table import LabelledTable
from growthlab.data.source import Source
from growthlab.tasks.base import AnswersAsEvaluated, AnswersForTables, RankingTask
from growthlab.tasks.entry import Entry
from growthlab.tracking.code_version import code_version
from growthlab.workbench.workbench import Workbench


def provenance_of(bench: Workbench, entry: Entry, outcome: Any, run_id: str) -> Provenance:
    """Data, split, seeds, metrics and code of a model, for its bundle."""
    fold, task, source = bench.folds[entry.origin], bench.task, bench.source
    horizon = fold.horizon
    ranking = task if isinstance(task, RankingTask) else None
    return Provenance(
        task=bench.command.choice("task"),
        answer=_answer(bench, outcome),
        model=outcome.name,
        data=bench.lineage.data,
        data_digest=bench.lineage.digest,
        split=bench.lineage.split,
        seed=entry.seed,
        tie_seed=ranking.tie_seed if ranking else 0,
        run_id=run_id,
        cutoff=fold.cutoff.isoformat() if fold.cutoff else None,
        horizon_days=horizon.total_seconds() / 86_400 if horizon else None,
        filter_seen=(ranking and ranking.filter_seen) or "none",
        filter_seen_reason=source.filter_seen_reason if isinstance(source, Source) else "",
        history_events=tuple((ranking and ranking.history_events) or ()),
        target_events=tuple((ranking and ranking.target_events) or ()),
        metrics={n: e._asdict() for n, e in outcome.test.items()},
        valid=outcome.valid,
        code_version=code_version(),
        user_ids=PLAIN if bench.data.key_fingerprint is None else PSEUDONYM,
    )


def _answer(bench: Workbench, outcome: Any) -> TaskAnswer:
    """What the model answers, in the words of the label where the data is a table."""
    task, data, answer = bench.task, bench.data, bench.task.answer
    if isinstance(data, LabelledTable) and isinstance(task, AnswersForTables):
        answer = task.table_answer(data)
    return (
        task.answer_as_evaluated(answer, outcome.test)
        if isinstance(task, AnswersAsEvaluated)
        else answer
    )
