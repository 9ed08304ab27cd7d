"""The comparison before another one, as far as the two are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class EarlierComparison:
    """The comparison before this one: its leaderboard, and what was not as it is now.

    `changes` are sentences, by what changed: data, code, cutoff, settings.
    """

    name: str
    address: str
    values: Mapping[str, float]  # the objective by model
    winner: str
    changes: Mapping[str, Sequence[str]]
