"""From a composed config to the gate's ruling on a challenger."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from growthlab.config.compose import Command, compose
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, ExportError, near_matches, quoted
from growthlab.core.path_names import is_path_name
from growthlab.evaluation.leaderboard_columns import build_metrics
from growthlab.promotion.gate import Gate
from growthlab.promotion.model_run import ModelRun
from growthlab.promotion.promotion_report import PromotionCase
from growthlab.promotion.ruling import PromotionTerms, Ruling, carry_out, rule_on
from growthlab.registry.model_registry import settle_interrupted
from growthlab.tasks.base import Task
from growthlab.tracking.store import Store
from growthlab.tracking.who_runs import current_user
from growthlab.workbench.set_up import tracking_store

log = logging.getLogger(__name__)

OFFLINE, ONLINE = "offline", "ab"
EVIDENCE = (OFFLINE, ONLINE)


def rule_on_challenger(command: Command) -> Ruling:
    """The ruling on the run of ``challenger``, carried out unless it is a dry run.

    Raises
    ------
    ConfigError, ExportError
        The challenger cannot be judged: no such run, another task, not exportable, not evaluated
        like the champion; or another process changed the champion meanwhile.
    """
    config, store = command.config, tracking_store(command.config)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="growthlab-promote-") as folder:
        challenger = ModelRun.named(
            store,
            f"challenger={config.challenger}",
            command.choice("task"),
            Path(folder),
            index_above=config.index_above,
        )
        if not config.dry_run:
            settle_interrupted(store.client, challenger.registered_name)
        ruling = rule_on(challenger, promotion_terms(command), str(config.by or current_user()))
        if not config.dry_run:
            path = report_path(command, ruling.case)
            _require_writable(path)
            carry_out(ruling, challenger, path)
    log.info("decided in %.1f s", time.perf_counter() - started)
    return ruling


def rule_on_first_champion(command: Command, store: Store, run_id: str, version: str) -> Ruling:
    """The ruling on a version of a model that has no champion yet, carried out.

    It is judged against the best baseline and the winner by validation of its window, see `decide`.

    Raises
    ------
    ExportError
        Another process made a champion meanwhile.
    """
    task = store.client.get_run(run_id).data.tags["task"]
    if task != command.choice("task"):
        command = compose(command.name, [f"task={task}"])
    with tempfile.TemporaryDirectory(prefix="growthlab-export-") as folder:
        index_above = command.config.index_above
        judged = ModelRun.named(store, f"run={run_id}", task, Path(folder), index_above=index_above)
        challenger = replace(judged, version=version)
        ruling = rule_on(challenger, promotion_terms(command), current_user())
        carry_out(ruling, challenger)
    return ruling


def promotion_terms(command: Command) -> PromotionTerms:
    """The settings of a ruling from the config of a command."""
    config, task = command.config, command.choice("task")
    default = compose("promote", [f"task={task}", "challenger=any"]).config
    nodes = {**default.metrics, **(config.get("metrics") or {})}  # guards may name any metric
    metrics, _ = build_metrics(nodes)
    return PromotionTerms(
        gate=build(config.gate, Gate),
        task=build(config.task, Task),
        task_name=task,
        metrics=metrics,
        default_objective=default.task.objective,
        index_above=config.index_above,
        stand_in=config.get("champion"),
        experiment=_experiment(config),
        dry_run=bool(config.get("dry_run")),
    )


def _experiment(config: Any) -> str | None:
    """The run of the experiment that decides; None where evaluations do."""
    evidence, experiment = config.get("evidence", OFFLINE), config.get("ab_run")
    if evidence not in EVIDENCE:
        raise ConfigError(f"evidence={evidence}: {near_matches(str(evidence), EVIDENCE)}")
    if (evidence == ONLINE) != (experiment is not None):
        raise ConfigError(
            "evidence=ab needs ab_run=RUN: the run of growthlab ab on the request log"
            if evidence == ONLINE
            else f"ab_run={experiment} is read with evidence=ab alone"
        )
    return None if experiment is None else str(experiment)


def report_path(command: Command, case: PromotionCase) -> Path:
    """The file of the report, a new one for each attempt."""
    name = f"{case.name}-{case.challenger_run[:8]}-{case.moment}.md"
    if not is_path_name(name):
        raise ExportError(f"the run's tags name no file ({quoted(name)})")
    return Path(str(command.config.reports)) / name


def _require_writable(path: Path) -> None:
    """Raise an `ExportError` if the report cannot be written, before anything is changed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ExportError(f"reports={path.parent} cannot be written ({error.strerror})") from error
