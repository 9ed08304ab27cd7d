"""A sequence network as ONNX: baskets of items in, a state out, which is compared with the items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from growthlab.core.array_schema import INDEX, ArraySchema, Schema
from growthlab.core.baskets import latest_baskets, n_baskets, steps_of
from growthlab.core.histories import Histories
from growthlab.scorers.cosine import cosines, row_lengths
from growthlab.scorers.onnx_graph import check_onnx_graph
from growthlab.scorers.onnx_session import run_graph, session_of

LONGEST = 65_536  # baskets that a network may read
STEPS_AT_ONCE = 8_192  # users x steps in one call: fits the cache


@dataclass(frozen=True)
class OnnxSequence:
    """Scores from the latest `length` baskets of a history; an empty history gives a NaN row.

    The graph takes the arrays of `core.baskets.Steps`, every dimension dynamic, and returns a state
    a user; its product with `vectors` is the score. There is no item code for padding, so padding
    can be neither scored nor recommended.
    """

    kind: ClassVar[str] = "onnx_sequence"
    schema: ClassVar[Schema] = {
        "length": ArraySchema(dtypes=INDEX, low=1, high=LONGEST),
        "vectors": ArraySchema(dtypes=("float32",), shape=("n_items", "width+1")),
        "reads_content": ArraySchema(dtypes=("bool",)),
    }
    inputs: ClassVar[tuple[str, ...]] = ("items", "event_types", "slots", "sizes")
    length: int
    vectors: np.ndarray  # (n_items, width + 1) float32, an item's bias last
    model: bytes = field(repr=False)
    reads_content: bool = False  # whether items without events have a vector too
    threads: int = 1

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)``, float32; NaN row: no history."""
        vectors = self.vectors if items is None else self.vectors[items]
        return self.embed(histories) @ vectors.T

    def embed(self, histories: Histories) -> np.ndarray:
        """The users' states and a 1, whose product with `item_vectors` is the score; NaN: no history."""
        shape = (histories.n_users, self.vectors.shape[1])
        states = np.full(shape, np.nan, dtype=np.float32)
        recent = latest_baskets(histories, self.length)
        for rows in blocks_of(n_baskets(recent)):
            feeds = dict(zip(self.inputs, steps_of(recent.select(rows)), strict=True))
            read = {name: feeds[name] for name in self._graph_inputs}
            shape = (len(rows), self.vectors.shape[1] - 1)
            states[rows, :-1] = run_graph(self._session, "states", read, shape)
            states[rows, -1] = 1
        return states

    def item_vectors(self) -> np.ndarray:
        """The items' vectors, their bias last, shape ``(n_items, width + 1)``."""
        return self.vectors

    def similar(self, items: np.ndarray) -> np.ndarray:
        """The cosine of each item's vector with all, ``(n, n_items)``; NaN rows: it has none."""
        return cosines(self.vectors[:, :-1], items, self._lengths)

    @cached_property
    def _lengths(self) -> np.ndarray:
        return row_lengths(self.vectors[:, :-1])

    @cached_property
    def _session(self) -> Any:
        return session_of(self.model, self.threads)

    @cached_property
    def _graph_inputs(self) -> list[str]:
        return [x.name for x in self._session.get_inputs()]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything but the graph."""
        content = np.array(self.reads_content)
        return {"length": np.array(self.length), "vectors": self.vectors, "reads_content": content}

    def to_files(self) -> dict[str, bytes]:
        """The graph with its weights."""
        return {"model.onnx": self.model}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        check_onnx_graph(files["model.onnx"], cls.inputs, "states")
        return cls(
            int(arrays["length"]),
            arrays["vectors"],
            files["model.onnx"],
            bool(arrays["reads_content"]),
        )

    @classmethod
    def example(cls, n_items: int) -> tuple[np.ndarray, ...]:
        """Inputs for the exporter, with no dimension of 0 or 1: 3 users, 4 steps, 5 events."""
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
