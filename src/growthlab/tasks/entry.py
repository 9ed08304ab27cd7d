"""The contenders of a comparison, and its entries: one fit of a contender each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Contender:
    """A model in a comparison: its name, a factory of unfitted models, and its settings for the log."""

    name: str
    factory: Callable[[], Any]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One fit of a comparison: contender, seed, and origin (0: the newest cutoff)."""

    contender: Contender
    seed: int
    origin: int = 0

    @property
    def label(self) -> str:
        """A name for people, unique within the comparison."""
        origin = f" origin {self.origin}" if self.origin else ""
        return f"{self.contender.name} seed {self.seed}{origin}"
