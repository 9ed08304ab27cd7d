"""From a composed config to the objects of a run, in the order of the data flow."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from growthlab.bundle.manifest import Manifest
from growthlab.cluster.base import Cluster
from growthlab.cluster.this_machine import ThisMachine
from growthlab.config.compose import Command, compose_choice
from growthlab.config.conf_tree import choices
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, quoted
from growthlab.core.pseudonyms import PLAIN
from growthlab.data.calendar import Calendar
from growthlab.data.database import limit_memory
from growthlab.data.event_log import EventLog
from growthlab.data.given_log import GivenTable
from growthlab.data.labelled_table import LabelledTable
from growthlab.data.privacy import Privacy
from growthlab.data.source import Data, DataSource, Source
from growthlab.evaluation.leaderboard_columns import MetricColumn, build_metrics
from growthlab.review.item_pictures import picture_folder
from growthlab.split.fold import (
    Fold,
    LeavesOutBaskets,
    Splitter,
    TableFold,
    TableSplitter,
)
from growthlab.tasks.base import AnswersForTables, AsksForBaskets, NeedsTable, RankingTask, Task
from growthlab.tasks.data_defaults import with_data_defaults
from growthlab.tasks.entry import Contender
from growthlab.tasks.objective import objective_metric
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.store import Store
from growthlab.workbench.contenders import (
    command_for_each_model,
    contender_for,
    require_events,
    require_packages,
)
from growthlab.workbench.own_log import cut_log, source_of
from growthlab.workbench.unused_settings import warn_of_unused_settings
from growthlab.workbench.workbench import Parts, Workbench

log = logging.getLogger(__name__)


def set_up(
    command: Command, given: EventLog | LabelledTable | None = None, *, origins: int = 1
) -> Workbench:
    """Everything a command works with; mistakes in the config show before any data is read."""
    return load_workbench(build_parts(command, given), origins)


def build_parts(
    command: Command,
    given: EventLog | LabelledTable | None = None,
    contenders: Sequence[Contender] | None = None,
) -> Parts:
    """The parts that need no data; `contenders` replace the models of the config.

    Raises
    ------
    ConfigError
        A part of the config that cannot be built, or that does not fit the task.
    """
    config = command.config
    source = data_source(config) if given is None else _source_of(given)
    task = with_data_defaults(build(config.task, Task), source)
    splitter = build(config.split, Splitter | TableSplitter)
    _check_fit(command, source, task, splitter)
    metrics, columns = task_metrics(command, task)
    splitter = _splitter_for(task, splitter)
    if contenders is None:
        commands = command_for_each_model(command, task, source)
        contenders = [contender_for(each, task) for each in commands]
    require_events(contenders, source, task)
    require_packages(contenders)
    warn_of_unused_settings(command, contenders, task, source.user_ids)
    cluster = build(config.cluster, Cluster) if "cluster" in config else ThisMachine()
    cluster.require(contenders, str(config.device))
    if "pictures" in config and config.pictures is not None:
        picture_folder(str(config.pictures))
    return Parts(
        command=command,
        source=source,
        splitter=splitter,
        task=task,
        contenders=tuple(contenders),
        metrics=metrics,
        columns=columns,
        store=tracking_store(config),
        cluster=cluster,
        given=given,
    )


def load_workbench(parts: Parts, origins: int = 1) -> Workbench:
    """The parts with the prepared log, cut into one fold an origin."""
    if parts.given is None:
        data = prepared_data(parts.source, parts.config, parts.data_name)
    else:
        data = privacy_of(parts.config).named(parts.given, parts.source.user_ids)
    folds = _folds(parts, data, origins)
    for fold in folds:
        if fold.cutoff is not None and fold.horizon is not None:
            days = fold.horizon.total_seconds() / 86_400
            log.info("cutoff %s, horizon %g days", fold.cutoff, days)
        elif isinstance(fold, TableFold):
            where = "" if fold.cutoff is None else f" from {fold.cutoff} on"
            log.info("%d rows to learn from, %d to test%s", len(fold.past), len(fold.future), where)
    return Workbench(
        **vars(parts), data=data, folds=tuple(folds), lineage=_lineage(parts, data, folds[0])
    )


def data_source(config: Any) -> DataSource[Any]:
    """The data source of a config, of events or of a table."""
    source: DataSource[Any] = build(config.data, DataSource)
    return source


def event_source(config: Any) -> Source:
    """The data source of a command that reads events.

    Raises
    ------
    ConfigError
        The data has none.
    """
    source = data_source(config)
    if not isinstance(source, Source):
        raise ConfigError(
            f"data={source.name} has a row a customer and no events, which this command reads: compare, "
            "train, tune, export, promote, serve and score work with such a table"
        )
    return source


def shop_calendar(config: Any, source: Source) -> Calendar:
    """The calendar by which a command tells days, weeks and hours: of the zone of the data, if none is set.

    Raises
    ------
    ConfigError
        There is no such zone or day of the week.
    """
    given = config.report.timezone
    return Calendar(source.zone if given is None else str(given), str(config.report.week_start))


def tracking_store(config: Any) -> Store:
    """The MLflow store of a config.

    Raises
    ------
    ConfigError
        It is a tracking server that cannot be opened, which shows before any data is read.
    """
    store: Store = build(config.tracking, Store)
    if store.is_server:
        _ = store.client
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


def prepared_data(
    source: DataSource[Data], config: Any, name: str, bundle: Manifest | None = None
) -> Data:
    """The cleaned data of a source, from the cache of the config or written to it.

    Where the config leaves open how customers are named, they are named as in the data of `bundle`.
    """
    started = time.perf_counter()
    data = read_or_open(source, config, bundle)
    counts = ", ".join(f"{n:,} {what}" for what, n in data.counts.items())
    log.info("data %s: %s in %.1f s", name, counts, time.perf_counter() - started)
    return data


def read_or_open(source: DataSource[Data], config: Any, bundle: Manifest | None = None) -> Data:
    """The cleaned data of a source, in the memory and the cache of the config; see `prepared_data`."""
    limit_memory(config.get("memory_gb"))
    return source.prepare(cache_folder(config), privacy_of(config, bundle))


def privacy_of(config: Any, bundle: Manifest | None = None) -> Privacy:
    """How a config says that customers are named; where it does not, as in the data of a bundle.

    Raises
    ------
    ConfigError
        It says something else than is possible.
    """
    node = config.get("privacy")
    if node is None:  # of a run before there were pseudonyms
        return Privacy(user_ids=PLAIN)
    otherwise = None if bundle is None else bundle.user_ids
    return Privacy(user_ids=node.user_ids or otherwise, keep_ids=node.keep_ids)


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


def tasks_for_tables() -> list[str]:
    """The tasks that can be asked of a customer table without events."""
    nodes = {name: compose_choice(f"task={name}").task for name in choices("task")}
    return [n for n, node in nodes.items() if isinstance(build(node, Task), AnswersForTables)]


def _source_of(given: EventLog | LabelledTable) -> DataSource[Any]:
    """The source of data that the caller holds."""
    return source_of(given) if isinstance(given, EventLog) else GivenTable()


def _check_fit(
    command: Command, source: DataSource[Any], task: Task, splitter: Splitter | TableSplitter
) -> None:
    """Raise a `ConfigError` for a table where task or split need events, or events where it cuts tables."""
    data, split = source.name, f"split={command.choice('split')}"
    if isinstance(source, Source):
        if isinstance(task, NeedsTable):
            raise ConfigError(f"task={command.choice('task')}: data={data} {task.why_no_events}")
        if not isinstance(splitter, Splitter):
            raise ConfigError(
                f"{split} cuts tables without events, and data={data} has events: leave split out"
            )
        return
    if not isinstance(task, AnswersForTables):
        raise ConfigError(
            f"task={command.choice('task')} needs events, such as who bought what and when, and "
            f"data={data} has none: possible are task={', '.join(tasks_for_tables())}"
        )
    if not isinstance(splitter, TableSplitter):
        raise ConfigError(
            f"{split} cuts events, and data={data} has none: leave it out, or take "
            f"split={source.default_split}"
        )


def _folds(parts: Parts, data: EventLog | LabelledTable, origins: int) -> list[Fold | TableFold]:
    """The data cut by the splitter of its kind, which `_check_fit` has made sure of."""
    source, splitter = parts.source, parts.splitter
    if isinstance(data, LabelledTable):
        assert isinstance(splitter, TableSplitter)
        return [*splitter.table_folds(data, source.horizon_days, origins)]
    assert isinstance(splitter, Splitter)
    assert isinstance(source, Source)
    return [*cut_log(data, source, splitter, origins)]


def _splitter_for(task: Task, splitter: Splitter | TableSplitter) -> Splitter | TableSplitter:
    """The splitter with what the task decides: whole baskets where it asks for them."""
    if isinstance(task, AsksForBaskets) and task.asks_for_last_basket:
        return splitter.for_last_baskets() if isinstance(splitter, LeavesOutBaskets) else splitter
    return splitter


def _lineage(parts: Parts, data: EventLog | LabelledTable, newest: Fold | TableFold) -> Lineage:
    """The lineage of all runs of the command."""
    config, source, task = parts.config, parts.source, parts.task
    tags = {str(name): str(value) for name, value in (config.get("tags") or {}).items()}
    if config.get("warm"):
        tags["warm_from"] = str(config.warm)
    if isinstance(task, RankingTask) and isinstance(source, Source) and task.filter_seen:
        tags["filter_seen"] = task.filter_seen
        tags["filter_seen_reason"] = source.filter_seen_reason
    return Lineage.of_data(
        data,
        source,
        data=parts.data_name,
        task=parts.command.choice("task"),
        split=parts.command.choice("split"),
        cutoff=str(newest.cutoff or ""),
        tags=tags,
    )
