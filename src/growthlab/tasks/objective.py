"""The objective: the metric by which epochs, settings and the winner are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from growthlab.core.errors import ConfigError, near_matches
from growthlab.metrics.predictions import NamedMetric
from growthlab.metrics.ranking.base import AtK
from growthlab.tasks.base import Task


def objective_metric(task: Task, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metric that gives the task's objective, by its key in `metrics`.

    Raises
    ------
    ConfigError
        No metric gives it, or ``task.maximise`` has the wrong direction.
    """
    key_by_name = {
        name: key for key, metric in metrics.items() for name in value_names(metric, key)
    }
    if task.objective not in key_by_name:
        possible = near_matches(task.objective, key_by_name)
        raise ConfigError(f"task.objective={task.objective} is not among the metrics: {possible}")
    key = key_by_name[task.objective]
    metric = metrics[key]
    if metric.larger_is_better != task.maximise:
        right = str(metric.larger_is_better).lower()
        raise ConfigError(f"task.objective={task.objective} needs task.maximise={right}")
    return {key: metric}


def value_names(metric: Any, key: str) -> list[str]:
    """The names of a metric's values: one for each ``k``, or just its name."""
    if isinstance(metric, AtK):
        return [metric.named(k) for k in metric.k]
    return [metric.name if isinstance(metric, NamedMetric) else key]
