"""The metric that every choice goes by: found among the metrics of a run, or refused before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from growthlab.core.errors import ConfigError, near_matches
from growthlab.metrics.predictions import NamedMetric
from growthlab.metrics.ranking.base import AtK
from growthlab.tasks.base import Task


def objective_metric(task: Task, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The one of the metrics that gives the task's objective, under its own name.

    Raises
    ------
    ConfigError
        None of the metrics gives it, or it is to be maximised where less is better (or the other
        way round).
    """
    given = {name: key for key, metric in metrics.items() for name in names_of(metric, key)}
    if task.objective not in given:
        possible = near_matches(task.objective, given)
        raise ConfigError(f"task.objective={task.objective} is not among the metrics: {possible}")
    key = given[task.objective]
    metric = metrics[key]
    if metric.larger_is_better != task.maximise:
        right = str(metric.larger_is_better).lower()
        raise ConfigError(f"task.objective={task.objective} needs task.maximise={right}")
    return {key: metric}


def names_of(metric: Any, key: str) -> list[str]:
    """The names of what a metric gives: one for each ``k`` where it has several."""
    if isinstance(metric, AtK):
        return [metric.named(k) for k in metric.k]
    return [metric.name if isinstance(metric, NamedMetric) else key]
