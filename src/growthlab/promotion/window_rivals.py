"""The rank of a challenger on its window, and the models that a first champion is compared with."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from growthlab.core.errors import ExportError
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.evaluation.choice import Judged, default_words
from growthlab.promotion.gate import BEST_BASELINE, WINNER
from growthlab.promotion.model_run import ModelRun
from growthlab.promotion.rival import WindowRank
from growthlab.tasks.base import Task, choice_rule
from growthlab.tracking.find_run import PARENT_TAG
from growthlab.tracking.run_files import N_DECIDING

log = logging.getLogger(__name__)

TAGS_THAT_MUST_MATCH = ("data_digest", "split", "cutoff", "filter_seen")
SETTINGS_THAT_MAY_DIFFER = {
    *("task.objective", "task.maximise", "task.min_deciding", "task.memory_mb"),
}
FINISHED = "FINISHED"
LONGEST_REASON = 300  # characters of why a rival could not be promoted


def window_rank(challenger: ModelRun, runs: Sequence[ModelRun], task: Task) -> WindowRank:
    """The challenger's objective with its bounds, and its rank among the models of the window.

    Models are the finished runs that were evaluated alike; runs with the same values are one.
    """
    values = {
        (each.tags.get("model", ""), *_values(each, task)): _values(each, task)
        for each in [*_with_objective(challenger, runs, task), challenger]
    }.values()
    sign = 1 if task.maximise else -1
    own = _values(challenger, task)
    by_valid, by_test = (
        1 + sum(sign * each[place] > sign * own[place] for each in values) for place in (0, 1)
    )
    name = f"test/{task.objective}"
    low, high = (challenger.metric(f"{name}/{bound}") for bound in ("low", "high"))
    n_deciding = challenger.metric(N_DECIDING)
    by_default = choice_rule(task).is_default(n_deciding)
    return WindowRank(
        value=own[1],
        low=low,
        high=high,
        rank=by_test,
        valid_rank=by_valid,
        n=len(values),
        by_default=default_words(n_deciding, task.min_deciding) if by_default else "",
    )


def best_rivals(
    challenger: ModelRun, runs: Sequence[ModelRun], task: Task
) -> list[tuple[ModelRun, list[str]]]:
    """The best baseline and the winner, both by validation, unless the challenger is one itself.

    Each run has its roles. They are ranked by the rule of the choice, as in a comparison; of equals the
    challenger is first. A better model that cannot be exported is listed without a role. Runs on other
    customers or another truth, and runs whose artifacts are lost, are left out.
    """
    ranked = _best_seeds(_with_objective(challenger, runs, task), challenger, task)
    exportable = [each for each in ranked if not _why_not_exportable(each)]
    baselines = [each for each in exportable if each.tags.get("model") in task.baselines]
    chosen: dict[str, tuple[ModelRun, list[str]]] = {}
    for candidates, roles in ((exportable, [WINNER]), (baselines, [BEST_BASELINE]), (ranked, [])):
        best = next((each for each in candidates if _is_comparable(challenger, each, task)), None)
        if best is not None and best.id != challenger.id:
            chosen.setdefault(best.id, (best, []))[1].extend(roles)
    return list(chosen.values())


def _is_comparable(challenger: ModelRun, other: ModelRun, task: Task) -> bool:
    """Whether the run answered the same customers and truth, and its values can be read."""
    try:
        same = challenger.truth.equals(other.truth)
        other.values_of(task.objective)
    except (ExportError, KeyError, ValueError, OSError) as error:
        raise_if_storage_failed(error)
        log.warning("run %s cannot be compared: %s", other.id, error)
        return False
    return same


def evaluated_alike(challenger: ModelRun, runs: Sequence[ModelRun]) -> list[ModelRun]:
    """The finished runs, not deleted, of the same data, split, cutoff, filter and settings of the task."""
    return [
        each
        for each in runs
        if each.run.info.status == FINISHED
        and each.run.info.lifecycle_stage == "active"
        and each.tags.get("origin", "0") == "0"
        and all(each.tags.get(t, "") == challenger.tags.get(t, "") for t in TAGS_THAT_MUST_MATCH)
        and _has_same_settings(each, challenger)
    ]


def _with_objective(challenger: ModelRun, runs: Sequence[ModelRun], task: Task) -> list[ModelRun]:
    """The runs that were evaluated alike and have the objective."""
    alike = evaluated_alike(challenger, runs)
    return [each for each in alike if not any(map(math.isnan, _values(each, task)))]


def _has_same_settings(one: ModelRun, other: ModelRun) -> bool:
    """Whether the settings of the task are the same, those apart that change no truth."""
    params, others = one.run.data.params, other.run.data.params
    both = {name for name in params if name.startswith("task.")} & set(others)
    return all(params[name] == others[name] for name in both - SETTINGS_THAT_MAY_DIFFER)


def _best_seeds(runs: Sequence[ModelRun], challenger: ModelRun, task: Task) -> list[ModelRun]:
    """The best seed of each model of a comparison, the model first that the rule chooses."""

    def judge(each: ModelRun) -> Judged:
        model, comparison = each.tags.get("model", ""), each.tags.get(PARENT_TAG) or each.id
        value = each.metric(f"valid/{task.objective}")
        return Judged((comparison, model), model, value, each.metric(N_DECIDING))

    # of equals the first is chosen
    challenger_first = sorted(runs, key=lambda each: each.id != challenger.id)
    return [seeds[0] for seeds in choice_rule(task).rank(challenger_first, judge)]


def _values(judged: ModelRun, task: Task) -> tuple[float, float]:
    """The objective on the validation window, and after the cutoff."""
    name = task.objective
    return judged.metric(f"valid/{name}"), judged.metric(f"test/{name}")


def _why_not_exportable(judged: ModelRun) -> str:
    exportable = judged.tags.get("exportable", "the run left no bundle")
    return "" if exportable == "yes" else f"not exportable: {exportable}"


def why_not_promoted(judged: ModelRun) -> str:
    """Why the run cannot be promoted, or was refused; empty where nothing is known against it."""
    if why_not := _why_not_exportable(judged):
        return why_not[:LONGEST_REASON]
    if judged.tags.get("gate.decision") != "refused":
        return ""
    return f"refused itself: {judged.tags.get('gate.reason', '')}"[:LONGEST_REASON]
