"""From a composed config to the objects of a run, in the order of the data flow."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, quoted
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.data.given_log import GivenLog
from growthlab.data.source import Source
from growthlab.evaluation.leaderboard_columns import MetricColumn, build_metrics
from growthlab.split.fold import Fold, LeavesOutBaskets, Splitter
from growthlab.tasks.base import AsksForBaskets, RankingTask, Task
from growthlab.tasks.data_defaults import with_data_defaults
from growthlab.tasks.entry import Contender
from growthlab.tasks.objective import objective_metric
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.store import Store
from growthlab.workbench.contenders import command_for_each_model, contender_for
from growthlab.workbench.workbench import Parts, Workbench

log = logging.getLogger(__name__)


def set_up(command: Command, given: EventLog | None = None, *, origins: int = 1) -> Workbench:
    """Everything a command works with; mistakes in the config show before any data is read."""
    return load_workbench(build_parts(command, given), origins)


def build_parts(
    command: Command,
    given: EventLog | None = None,
    contenders: Sequence[Contender] | None = None,
) -> Parts:
    """The parts that need no data; `contenders` replace the models of the config.

    Raises
    ------
    ConfigError
        A part of the config that cannot be built, or that does not fit the task.
    """
    config = command.config
    source = GivenLog.of(given) if given is not None else data_source(config)
    task = with_data_defaults(build(config.task, Task), source)
    metrics, columns = task_metrics(command, task)
    splitter = _splitter_for(task, build(config.split, Splitter))
    if contenders is None:
        contenders = [contender_for(each, task) for each in command_for_each_model(command, task)]
    return Parts(
        command=command,
        source=source,
        splitter=splitter,
        task=task,
        contenders=tuple(contenders),
        metrics=metrics,
        columns=columns,
        store=tracking_store(config),
        given=given,
    )


def load_workbench(parts: Parts, origins: int = 1) -> Workbench:
    """The parts with the prepared log, cut into one fold an origin."""
    source = parts.source
    events = parts.given or prepared_log(source, parts.config, parts.data_name)
    folds: list[Fold] = parts.splitter.folds(events, source.horizon_days, origins)
    if source.cleaning is not None:
        folds = [_cleaned(fold, source.cleaning) for fold in folds]
    for fold in folds:
        if fold.cutoff is not None and fold.horizon is not None:
            days = fold.horizon.total_seconds() / 86_400
            log.info("cutoff %s, horizon %g days", fold.cutoff, days)
    return Workbench(
        **vars(parts), log=events, folds=tuple(folds), lineage=_lineage(parts, events, folds[0])
    )


def data_source(config: Any) -> Source:
    """The data source of a config."""
    source: Source = build(config.data, Source)
    return source


def tracking_store(config: Any) -> Store:
    """The MLflow store of a config."""
    store: Store = build(config.tracking, Store)
    return store


def task_metrics(command: Command, task: Task) -> tuple[dict[str, Any], list[MetricColumn]]:
    """The metrics of the config by name, and those that are columns of the leaderboard.

    Raises
    ------
    ConfigError
        There are none, one is of another task's family, or none gives the objective.
    """
    nodes = command.config.get("metrics") or {}
    if not isinstance(nodes, Mapping):
        raise ConfigError(
            f"metrics={quoted(str(nodes))}: name some, such as metrics=[ranking/ndcg]"
        )
    if not nodes:
        raise ConfigError("metrics=[] leaves nothing to evaluate a model by: name some, or none")
    family = f"growthlab.metrics.{task.metrics}."
    for name, node in nodes.items():
        if not isinstance(node, Mapping):
            raise ConfigError(f"metrics.{name} is {quoted(str(node))}, not a metric with settings")
        target = str(node.get("_target_"))
        if target.startswith("growthlab.metrics.") and not target.startswith(family):
            raise ConfigError(
                f"metrics.{name} is not a metric of task={command.choice('task')}: "
                f"it takes those of the family {task.metrics}"
            )
    metrics, columns = build_metrics(nodes)
    objective_metric(task, metrics)
    return metrics, columns


def prepared_log(source: Source, config: Any, name: str) -> EventLog:
    """The cleaned log of a source, from the cache of the config or written to it."""
    started = time.perf_counter()
    events = source.prepare(cache_folder(config))
    seconds = time.perf_counter() - started
    counts = f"{events.n_events:,} events of {events.n_users:,} users"
    log.info("data %s: %s in %.1f s", name, counts, seconds)
    return events


def cache_folder(config: Any) -> Path:
    """The folder of prepared data and checkpoints.

    Raises
    ------
    ConfigError
        It cannot be created.
    """
    folder = Path(str(config.cache))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cache={folder} cannot be written ({error.strerror})"
        raise ConfigError(f"{reason}: choose another folder") from error
    return folder


def _splitter_for(task: Task, splitter: Splitter) -> Splitter:
    """The splitter with what the task decides: whole baskets where it asks for them."""
    if isinstance(task, AsksForBaskets) and task.asks_for_last_basket:
        return splitter.for_last_baskets() if isinstance(splitter, LeavesOutBaskets) else splitter
    return splitter


def _cleaned(fold: Fold, cleaning: Cleaning) -> Fold:
    """The fold after the rules that learn from counts: each past teaches its own part of the fold."""
    return fold.without_users(cleaning.bots, cleaning.drop_bots).with_past(cleaning.restrict)


def _lineage(parts: Parts, events: EventLog, newest: Fold) -> Lineage:
    """The lineage of all runs of the command."""
    config, source, task = parts.config, parts.source, parts.task
    tags = {str(name): str(value) for name, value in (config.get("tags") or {}).items()}
    if config.get("warm"):
        tags["warm_from"] = str(config.warm)
    if isinstance(task, RankingTask) and task.filter_seen:
        tags["filter_seen"] = task.filter_seen
        tags["filter_seen_reason"] = source.filter_seen_reason
    return Lineage.of_log(
        events,
        source,
        data=parts.data_name,
        task=parts.command.choice("task"),
        split=parts.command.choice("split"),
        cutoff=str(newest.cutoff or ""),
        tags=tags,
    )
