"""A sequence network as ONNX: baskets of items in, scores of the whole catalogue out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from growthlab.core.baskets import latest_baskets, n_baskets, steps_of
from growthlab.core.histories import Histories
from growthlab.scorers.onnx_session import session_of

STEPS_AT_ONCE = 8_192  # users x steps that are scored together: fits the cache


@dataclass(frozen=True)
class OnnxSequence:
    """Scores from the latest `length` baskets of a history; an empty history gives a NaN row.

    The graph takes what `core.baskets.Steps` holds, every dimension dynamic. The item codes are
    the catalogue's; there is no code for padding, so padding can be neither scored nor
    recommended.
    """

    kind: ClassVar[str] = "onnx_sequence"
    inputs: ClassVar[tuple[str, ...]] = ("items", "event_types", "slots", "sizes")
    length: int
    n_items: int
    model: bytes = field(repr=False)
    threads: int = 1

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)``, float32; NaN row: no history."""
        n_scored = self.n_items if items is None else len(items)
        scores = np.full((histories.n_users, n_scored), np.nan, dtype=np.float32)
        recent = latest_baskets(histories, self.length)
        for rows in blocks_of(n_baskets(recent)):
            feeds = dict(zip(self.inputs, steps_of(recent.select(rows)), strict=True))
            (block,) = self._session.run(["scores"], {n: feeds[n] for n in self._taken})
            scores[rows] = block if items is None else block[:, items]
        return scores

    @cached_property
    def _session(self) -> Any:
        return session_of(self.model, self.threads)

    @cached_property
    def _taken(self) -> list[str]:
        return [x.name for x in self._session.get_inputs()]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The numbers beside the graph."""
        return {"length": np.array(self.length), "n_items": np.array(self.n_items)}

    def to_files(self) -> dict[str, bytes]:
        """The graph with its weights."""
        return {"model.onnx": self.model}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        return cls(int(arrays["length"]), int(arrays["n_items"]), files["model.onnx"])

    @classmethod
    def example(cls, n_items: int) -> tuple[np.ndarray, ...]:
        """Inputs of sizes that no exporter takes for constants: 3 users, 4 steps, 5 events."""
        slots = np.array([0, 0, 1, 4, 8])
        sizes = np.bincount(slots, minlength=12).reshape(3, 4).astype(np.float32)
        items = np.arange(5) % n_items
        return items, np.zeros(5, dtype=np.int64), slots, sizes


def blocks_of(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Rows with a history, longest first, in blocks of at most `STEPS_AT_ONCE` steps."""
    order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
    start = 0
    while start < len(order):
        size = max(1, STEPS_AT_ONCE // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size
