"""The evidence for the promotion gate, read from the stored runs of challenger and champion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from growthlab.core.errors import ConfigError
from growthlab.effects.served_experiment import CHALLENGER, CHAMPION
from growthlab.export.parity import parity_of
from growthlab.promotion.decision import Evidence
from growthlab.promotion.gate import Gate
from growthlab.promotion.model_run import ModelRun
from growthlab.promotion.online_evidence import OnlineEvidence
from growthlab.promotion.paired_test import paired_test
from growthlab.promotion.read_experiment import read_experiment
from growthlab.promotion.rival import Rival
from growthlab.promotion.run_measures import directions, measures_of
from growthlab.promotion.window_rivals import (
    TAGS_THAT_MUST_MATCH,
    best_rivals,
    evaluated_alike,
    why_not_promoted,
    window_rank,
)
from growthlab.promotion.window_runs import different_settings, other_evaluations, window_runs
from growthlab.tasks.base import Task
from growthlab.tasks.objective import objective_metric


def evidence_of(
    challenger: ModelRun,
    champion: ModelRun | None,
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
    objective_before: str | None = None,
    experiment: str | None = None,
) -> Evidence:
    """Everything that the gate looks at; `champion` is None where there is no model to beat.

    `objective_before` is the objective that the champion was promoted by; None without a champion.
    Where it is given without a `champion`, the challenger is the champion's own run exported again.
    `experiment` is the run of an experiment that decides.

    Raises
    ------
    ConfigError
        The objective was not measured, or has the wrong direction; it differs from
        `objective_before` and the gate does not allow that; or the two runs differ in data, split,
        cutoff, filter, customers or truth.
    """
    objective = task.objective
    n_objectives = _n_objectives(challenger, champion, task, metrics, gate, objective_before)
    sides = {"challenger": challenger} | ({} if champion is None else {"champion": champion})
    for side, judged in sides.items():
        if math.isnan(judged.metric(f"valid/{objective}")):
            raise ConfigError(
                f"the {side}, run {judged.id}, has no valid/{objective}: train it with that metric"
            )
    runs, paired, rivals = window_runs(challenger), None, []
    if champion is not None:
        require_same_evaluation(challenger, champion, runs)
        others = other_evaluations(runs, challenger, champion)
        paired = paired_test(challenger, champion, task, metrics, gate, others, n_objectives)
    elif objective_before is None:
        rivals = rivals_of(challenger, runs, task, metrics, gate)
    return Evidence(
        objective=objective,
        maximise=task.maximise,
        valid=challenger.metric(f"valid/{objective}"),
        valid_champion=None if champion is None else champion.metric(f"valid/{objective}"),
        paired=paired,
        measures=measures_of(challenger, champion, task, metrics, gate),
        leakage=challenger.leakage,
        parity=parity_of(challenger.bundle, challenger.answers(), challenger.step_histories()),
        family=task.metrics,
        objective_before=objective_before,
        n_objectives=n_objectives,
        rivals=rivals,
        standing=window_rank(challenger, runs, task),
        online=None if experiment is None else _online(challenger, champion, experiment),
    )


def _online(challenger: ModelRun, champion: ModelRun | None, run_id: str) -> OnlineEvidence:
    """The experiment between the two; ConfigError without a champion to compare with."""
    if champion is None:
        raise ConfigError(
            "evidence=ab compares a challenger with the champion: there is none to beat yet"
        )
    judged = {CHALLENGER: challenger, CHAMPION: champion}
    return read_experiment(run_id, judged)


def rivals_of(
    challenger: ModelRun,
    runs: Sequence[ModelRun],
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
) -> list[Rival]:
    """The runs of `best_rivals` with the challenger's comparison after the cutoff, uncorrected."""
    return [
        Rival(
            model=other.tags.get("model", ""),
            run_id=other.id,
            valid=other.metric(f"valid/{task.objective}"),
            paired=paired_test(challenger, other, task, metrics, gate),
            roles=sorted(roles),
            why_not=why_not_promoted(other),
        )
        for other, roles in best_rivals(challenger, runs, task)
    ]


def _n_objectives(
    challenger: ModelRun,
    champion: ModelRun | None,
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
    before: str | None,
) -> int:
    """How many metrics the objective could be chosen from: 1 where it is the champion's."""
    if directions(metrics).get(task.objective, task.maximise) != task.maximise:
        objective_metric(task, metrics)  # raises the error
    if before is None:
        return 1  # there is no champion
    if champion is None and task.objective != before:
        raise ConfigError(
            f"task.objective={task.objective}: the champion was promoted by {before}, and its own "
            f"run, exported again, keeps it: task.objective={before}"
        )
    if champion is None:
        return 1
    gate.require_objective(task.objective, before)
    if task.objective == before:
        return 1
    return len(_possible_objectives(challenger) | _possible_objectives(champion))


def _possible_objectives(judged: ModelRun) -> set[str]:
    """Everything that was measured on the validation window, so could have been the objective."""
    return {n for n in judged.measured if n.startswith("valid/")}


def require_same_evaluation(
    challenger: ModelRun, champion: ModelRun, runs: Sequence[ModelRun] = ()
) -> None:
    """Raise a `ConfigError` where the two were not evaluated on the same data, customers and truth.

    The error names the newest of `runs`, on the challenger's window, that can stand in for the champion.
    """
    for tag in TAGS_THAT_MUST_MATCH:
        own, other = challenger.tags.get(tag, ""), champion.tags.get(tag, "")
        if own != other:
            own, other = (v[:12] if tag == "data_digest" else v for v in (own, other))
            raise ConfigError(
                f"the challenger was evaluated with {tag} {own or 'none'}, the champion (run "
                f"{champion.id}) with {other or 'none'}: {_instead(challenger, champion, runs)}"
            )
    if not challenger.truth.equals(champion.truth):
        raise ConfigError(
            f"the challenger and the champion (run {champion.id}) were evaluated on different "
            "customers or a different truth: train both with the same task settings"
        )


def _instead(challenger: ModelRun, champion: ModelRun, runs: Sequence[ModelRun]) -> str:
    """Which run to compare the challenger with, in place of a champion of another window."""
    alike = [
        each
        for each in evaluated_alike(challenger, runs)
        if each.id not in (challenger.id, champion.id)
        and not any(different_settings(each, champion))
    ]
    if not alike:
        return (
            "train the champion's model on the challenger's data and split, and name that run with "
            "champion=RUN"
        )
    newest = max(alike, key=lambda each: int(each.run.info.start_time or 0))
    return (
        f"the champion's model has a run on the challenger's data and split: champion={newest.id}"
    )
