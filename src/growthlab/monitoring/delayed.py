"""Served predictions against what happened in their horizon, as the report and its alerts show it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class MetricWithBounds(NamedTuple):
    """A number with its 95 % bounds; NaN where it has none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class DelayedEvaluation:
    """Metrics of `n` served predictions, and the same metrics at export.

    `worse` names the metrics whose whole interval is worse than the whole interval at export.
    """

    n: int
    n_without_events: int  # predictions for customers whom the newer log does not have
    now: Mapping[str, MetricWithBounds]
    then: Mapping[str, Mapping[str, float | None]]
    n_not_over: int = 0  # predictions whose horizon goes on beyond the newer log
    worse: Sequence[str] = ()

    def sentence(self, name: str) -> str:
        """What an alert says of a metric that is worse."""
        now = self.now[name]
        bounds = "" if math.isnan(now.low) else f" [{now.low:.3f}, {now.high:.3f}]"
        return (
            f"{name} of what was served is {now.value:.3f}{bounds}, worse "
            f"than at export ({self.then[name]['value']:.3f})"
        )
