"""A network of user and item embeddings as ONNX: user and item codes in, scores out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from growthlab.core.array_schema import INDEX, ArraySchema, Schema
from growthlab.core.histories import Histories
from growthlab.scorers.onnx_graph import check_onnx_graph
from growthlab.scorers.onnx_session import run_graph, session_of

PAIRS_AT_ONCE = 100_000  # user x item pairs in one call


@dataclass(frozen=True)
class OnnxPairs:
    """Scores of the users of the fit, by their codes; NaN rows for those without events in it."""

    kind: ClassVar[str] = "onnx_pairs"
    schema: ClassVar[Schema] = {
        "known": ArraySchema(dtypes=("bool",), shape=("n_fitted_users",)),
        "n_items": ArraySchema(dtypes=INDEX, sizes=("n_items",)),
    }
    inputs: ClassVar[tuple[str, ...]] = ("users", "items")
    known: np.ndarray  # (n_users of the fit,) bool: has events
    n_items: int
    model: bytes = field(repr=False)
    threads: int = 1

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)``, float32; NaN row: a user without an embedding."""
        item_codes = np.arange(self.n_items) if items is None else np.asarray(items, dtype=np.int64)
        scores = np.full((histories.n_users, len(item_codes)), np.nan, dtype=np.float32)
        rows = known_rows(histories.user_codes, self.known)
        size = max(1, PAIRS_AT_ONCE // max(1, len(item_codes)))
        for start in range(0, len(rows) if len(item_codes) else 0, size):
            block = rows[start : start + size]
            users = histories.user_codes[block].astype(np.int64)
            feeds = {"users": users, "items": item_codes}
            shape = (len(block), len(item_codes))
            scores[block] = run_graph(self._session, "scores", feeds, shape)
        return scores

    @cached_property
    def _session(self) -> Any:
        return session_of(self.model, self.threads)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything but the graph."""
        return {"known": self.known, "n_items": np.array(self.n_items)}

    def to_files(self) -> dict[str, bytes]:
        """The graph with its weights, the users' included."""
        return {"model.onnx": self.model}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        check_onnx_graph(files["model.onnx"], cls.inputs, "scores")
        return cls(arrays["known"], int(arrays["n_items"]), files["model.onnx"])


def known_rows(user_codes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The rows whose user code is in the vocabulary and has events in the fit."""
    inside = (user_codes >= 0) & (user_codes < len(known))
    inside[inside] = known[user_codes[inside]]
    return np.flatnonzero(inside)
