"""The contracts of scorers. Only numpy, scipy, onnxruntime and lightgbm may be imported in this room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, Self

import numpy as np

from growthlab.core.histories import Histories


class Savable(Protocol):
    """A frozen value that is written as plain arrays and, for networks and trees, files of a safe format."""

    kind: ClassVar[str]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything but `files`, as arrays without pickle (0-d arrays for numbers and strings)."""
        ...

    def to_files(self) -> dict[str, bytes]:
        """File name -> content, such as ``model.onnx`` or ``model.txt``; empty for pure arrays."""
        ...

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        ...


class Scorer(Savable, Protocol):
    """Scores items for histories: the contract of `Recommender.score`.

    A scorer may also offer, where its kind allows it:

    - ``similar(items) -> (n, n_items)``: what is like each item (a code), for item pages; a NaN row
      where it knows nothing of the item. With the attribute ``reads_content`` it knows items that
      nobody ever had;
    - ``because(histories, listed) -> (n_users, k)``: the item of the history that contributes most
      to each listed item, `UNKNOWN` where none does: the reason of a recommendation;
    - ``embed(histories)`` and ``item_vectors()``, where the score is their product: a large
      catalogue is then searched in blocks of items, or by an index.
    """

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)``, float32; NaN row: cannot score this user, -inf: this item."""
        ...


class RowScorer(Savable, Protocol):
    """Predicts one number a customer from named columns."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `predict` reads."""
        ...

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``, float64; `table` holds at least `columns`, NaN where not known."""
        ...
