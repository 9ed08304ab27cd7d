"""Scores as the transitions from the latest basket to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags

from growthlab.core.array_schema import FLOAT, ArraySchema, Schema
from growthlab.core.baskets import latest_baskets
from growthlab.core.histories import Histories
from growthlab.scorers.contributions import strongest_contributions
from growthlab.scorers.history_weights import HistoryWeights, once_a_basket
from growthlab.scorers.sparse_arrays import (
    dense_product,
    entries,
    sparse_from_arrays,
    sparse_schema,
    sparse_to_arrays,
)

EPSILON = 1e-6  # far below any transition worth ranking, far above the resolution of float32 at 0


@dataclass(frozen=True)
class Transitions:
    """The mean transition row of the latest basket's items, plus ``EPSILON * popularity``.

    Earlier baskets weigh ``step_decay ** baskets since``; with 0 only the latest counts. Any history
    can be scored, of a known customer or not; an empty one is a NaN row.
    """

    kind: ClassVar[str] = "transitions"
    schema: ClassVar[Schema] = {
        **sparse_schema("transitions", "n_items", "n_items"),
        "popularity": ArraySchema(dtypes=("float32",), shape=("n_items",), low=0, high=1),
        "step_decay": ArraySchema(dtypes=FLOAT, low=0, high=1),
    }

    transitions: csr_matrix  # (n_items, n_items) float32, rows sum to 1, or 0 if nothing followed
    popularity: np.ndarray  # (n_items,) float32 in 0 ... 1
    step_decay: float = 0.0

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        scores = dense_product(self._profiles(histories), self.transitions, items)
        scores += np.float32(EPSILON) * (
            self.popularity if items is None else self.popularity[items]
        )
        scores[histories.lengths == 0] = np.nan
        return scores

    def similar(self, items: np.ndarray) -> np.ndarray:
        """The transitions from each item (a code), ``(n, n_items)``; NaN row: there are none."""
        scores = self.transitions[items].toarray().astype(np.float32)
        scores[~scores.any(axis=1)] = np.nan
        return scores

    def because(self, histories: Histories, listed: np.ndarray) -> np.ndarray:
        """See `GivesReasons.because` and `strongest_contributions`."""
        return strongest_contributions(
            self._profiles(histories), listed, partial(entries, self.transitions)
        )

    def _profiles(self, histories: Histories) -> csr_matrix:
        """Users x items: the decayed weight of each basket, spread evenly over its items."""
        if self.step_decay == 0:
            histories = latest_baskets(histories, 1)
        histories = once_a_basket(histories)
        baskets = histories.baskets
        share = 1 / np.bincount(baskets)[baskets] if len(baskets) else np.zeros(0)
        return histories.matrix(
            share * HistoryWeights(step_decay=self.step_decay).events(histories)
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The matrix's parts, the popularity and the decay."""
        return {
            **sparse_to_arrays("transitions", self.transitions),
            "popularity": self.popularity,
            "step_decay": np.array(self.step_decay, dtype=np.float64),
        }

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        transitions = sparse_from_arrays("transitions", arrays)
        return cls(transitions, arrays["popularity"], float(arrays["step_decay"]))


def basket_shares(histories: Histories) -> csr_matrix:
    """Baskets x items, float32: 1 / (items of the basket) where the basket has the item.

    Row b is the basket numbered b in ``histories.baskets``.
    """
    distinct = once_a_basket(histories)
    baskets = distinct.baskets
    n = int(baskets[-1]) + 1 if len(baskets) else 0
    ones = np.ones(len(baskets), dtype=np.float32)
    matrix = csr_matrix((ones, (baskets, distinct.items)), shape=(n, histories.n_items))
    return (diags(1 / np.bincount(baskets, minlength=n)) @ matrix).tocsr().astype(np.float32)
