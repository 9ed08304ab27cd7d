"""The objects that a command works with, from the data source to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from growthlab.cluster.base import Cluster
from growthlab.config.compose import Command
from growthlab.data.event_log import EventLog
from growthlab.data.labelled_table import LabelledTable
from growthlab.data.source import DataSource, Source
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.split.fold import Fold, Splitter, TableFold, TableSplitter
from growthlab.split.leakage import leakage_report
from growthlab.split.table_leakage import table_leakage_report
from growthlab.tasks.base import RankingTask, Task
from growthlab.tasks.entry import Contender
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.store import Store


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The objects of a command that need no data."""

    command: Command
    source: DataSource[Any]
    splitter: Splitter | TableSplitter
    task: Task
    contenders: tuple[Contender, ...]
    metrics: Mapping[str, Any]
    columns: Sequence[MetricColumn]  # the metrics that the leaderboard shows, in its order
    store: Store
    cluster: Cluster
    given: (
        EventLog | LabelledTable | None
    )  # a log from Python code, instead of the data set of the config

    @property
    def config(self) -> Any:
        """The composed config."""
        return self.command.config

    @property
    def data_name(self) -> str:
        """The yaml name of the data set, or the name of the given log."""
        return self.command.choice("data") if self.given is None else self.given.name


@dataclass(frozen=True, kw_only=True)
class Workbench(Parts):
    """All objects of a command: its parts, the prepared data, and one fold an origin, newest first."""

    data: EventLog | LabelledTable
    folds: tuple[Fold | TableFold, ...]
    lineage: Lineage
    _leakage_reports: dict[int, dict[str, Any]] = field(default_factory=dict)

    def leakage(self, origin: int) -> dict[str, Any]:
        """The leakage report of an origin, computed once."""
        fold = self.folds[origin]
        if isinstance(fold, TableFold):
            return table_leakage_report(fold)
        assert isinstance(self.source, Source)
        if origin not in self._leakage_reports:
            ranking = self.task if isinstance(self.task, RankingTask) else None
            history = (ranking and ranking.history_events) or self.source.history_events
            target = (ranking and ranking.target_events) or self.source.target_events
            report = leakage_report(fold, tuple(history), tuple(target), self.task.table_columns())
            self._leakage_reports[origin] = report
        return self._leakage_reports[origin]
