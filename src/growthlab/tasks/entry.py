"""What takes part in a comparison: a model with its settings, and one fit of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Contender:
    """A model of the comparison: its name, how to make a fresh one, and its settings for the record."""

    name: str
    factory: Callable[[], Any]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One fit of the comparison: who, with which seed, at which origin (0: the newest cutoff)."""

    contender: Contender
    seed: int
    origin: int = 0

    @property
    def label(self) -> str:
        """A name for people, unique in the comparison."""
        origin = f" origin {self.origin}" if self.origin else ""
        return f"{self.contender.name} seed {self.seed}{origin}"
