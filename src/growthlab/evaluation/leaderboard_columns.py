"""Metrics from their config nodes, and the columns that they add to the leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.metrics.best_arm.base import OfArms, PerCustomer
from growthlab.metrics.predictions import PredictionMetric
from growthlab.metrics.ranking.base import Overall, PerUser, Pooled

KEYS = ("leaderboard", "column")  # in a metric's config; the second is that of runs logged before

Metric = PredictionMetric | PerUser | Pooled | Overall | PerCustomer | OfArms


class MetricColumn(NamedTuple):
    """A column of the leaderboard: the logged name of a metric, such as ``ndcg_at_10``."""

    metric: str
    larger_is_better: bool


def build_metrics(
    nodes: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, Any], list[MetricColumn]]:
    """The metrics by name, and their columns in the order of the leaderboard.

    A node holds the metric's ``_target_`` and settings, and may hold ``leaderboard: {ndcg_at_10: 10}``:
    the logged names that are columns and their places, counted from the left. Equal places are
    ordered by name.

    Raises
    ------
    ConfigError
        `leaderboard` is no mapping from names to numbers, or a metric cannot be built.
    """
    metrics: dict[str, Any] = {}
    places: dict[MetricColumn, float] = {}
    for name, node in nodes.items():
        metrics[str(name)] = metric = build(node, Metric, f"metrics.{name}", ignore=KEYS)
        places_of_node = next((node[key] for key in KEYS if key in node), None)
        for logged_name, place in _places(name, places_of_node).items():
            places[MetricColumn(logged_name, metric.larger_is_better)] = place
    return metrics, sorted(places, key=lambda column: (places[column], column.metric))


def _places(name: str, given: Any) -> dict[str, float]:
    """Logged name -> place; empty for a metric that is no column."""
    places = dict(given or {}) if given is None or isinstance(given, Mapping) else None
    if places is None or not all(isinstance(place, int | float) for place in places.values()):
        raise ConfigError(
            f"metrics.{name}.leaderboard must map logged names to places, such as {{{name}: 10}}, "
            f"got {given}"
        )
    return {str(logged_name): place for logged_name, place in places.items()}
