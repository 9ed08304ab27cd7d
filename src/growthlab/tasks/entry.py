"""The contenders of a comparison, and its entries: one fit of a contender each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from growthlab.tasks.executor import ANY_RESOURCES, Resources


@dataclass(frozen=True)
class Contender:
    """A model in a comparison: its name, a factory of unfitted models, its settings, what a fit needs."""

    name: str
    factory: Callable[[], Any]
    settings: Mapping[str, Any]
    resources: Resources = ANY_RESOURCES


@dataclass(frozen=True)
class Entry:
    """One fit of a comparison: contender, seed, and origin (0: the newest cutoff)."""

    contender: Contender
    seed: int
    origin: int = 0

    @property
    def label(self) -> str:
        """A name for people, unique within the comparison."""
        return label_of(self.contender.name, self.seed, self.origin)


def label_of(model: str, seed: int, origin: int = 0) -> str:
    """The label of the entry of a model, see `Entry.label`."""
    return f"{model} seed {seed}" + (f" origin {origin}" if origin else "")
