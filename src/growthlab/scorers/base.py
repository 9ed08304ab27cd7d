"""The contracts of scorers: only numpy, scipy, onnxruntime and lightgbm are imported in this room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from growthlab.core.array_schema import Schema
from growthlab.core.histories import Histories


class Savable(Protocol):
    """An object saved as plain arrays and, for networks and trees, files of a safe format.

    `schema` says what each array must be. Nothing that does not fit it is loaded: the code below
    trusts its arrays, and a place outside of one would end the process.
    """

    kind: ClassVar[str]
    schema: ClassVar[Schema]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything but `files`, as arrays without pickle (0-d arrays for numbers and strings)."""
        ...

    def to_files(self) -> dict[str, bytes]:
        """File name -> content, such as ``model.onnx`` or ``model.txt``; empty for pure arrays."""
        ...

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote; `load_scorer` has checked the arrays."""
        ...


class Scorer(Savable, Protocol):
    """Scores items for histories: the contract of `Recommender.score`.

    Optional abilities are `ComparesItems`, `ReadsContent`, `GivesReasons` and `Factored`.
    """

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)``, float32; NaN row: cannot score this user, -inf: this item."""
        ...


@runtime_checkable
class ComparesItems(Protocol):
    """A scorer that knows which items are alike, for item pages."""

    def similar(self, items: np.ndarray) -> np.ndarray:
        """Similarity of all items to each of `items` (codes), ``(n, n_items)``; NaN row: not known."""
        ...


@runtime_checkable
class ReadsContent(Protocol):
    """A scorer that, where `reads_content` holds, also knows items without any event."""

    @property
    def reads_content(self) -> bool:
        """Whether this one does."""
        ...


@runtime_checkable
class GivesReasons(Protocol):
    """A scorer that names the reason of a recommendation."""

    def because(self, histories: Histories, listed: np.ndarray) -> np.ndarray:
        """The history's item that contributes most to each listed item, ``(n_users, k)``.

        `UNKNOWN` where none does.
        """
        ...


@runtime_checkable
class Factored(Protocol):
    """A model or scorer whose scores are ``embed(histories) @ item_vectors().T``.

    A large catalogue is then ranked in blocks of items, or searched by an index.
    """

    def embed(self, histories: Histories) -> np.ndarray:
        """A vector a user, NaN for one who cannot be scored, ``(n_users, width)``."""
        ...

    def item_vectors(self) -> np.ndarray:
        """A vector an item, ``(n_items, width)``."""
        ...


class RowScorer(Savable, Protocol):
    """Predicts one number for each customer from named columns."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `predict` reads."""
        ...

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``, float64; `table` holds at least `columns`, NaN where not known."""
        ...


@runtime_checkable
class ComparesArms(Protocol):
    """A scorer of rows that says what each of several actions changes; it predicts what the best brings."""

    arms: tuple[str, ...]
    control: str

    @property
    def average(self) -> np.ndarray:
        """The average effect of each arm, for a customer of whom nothing is known, ``(n_arms,)``."""
        ...

    def effects(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """What each arm changes in the outcome of each row, ``(n, n_arms)``; see `RowScorer.predict`."""
        ...

    def net_values(self, effects: np.ndarray) -> np.ndarray:
        """What each arm brings less its cost, in money, ``(n, n_arms)``."""
        ...
