"""RP3beta: random walks over users and items, with a discount for popular items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags, vstack

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.core.seeding import hash_ids
from growthlab.models.base import ScoredRecommender
from growthlab.models.co_counts import check_co_count, without_rare_pairs
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.scorers.item_weights import ItemWeights
from growthlab.scorers.neighbourhood import Neighbourhood
from growthlab.scorers.sparse_arrays import row_blocks
from growthlab.training.fit_options import FitOptions


@dataclass(kw_only=True)
class RP3Beta(ScoredRecommender):
    """Three steps user, item, user, item (Paudel et al., ACM TiiS 2017; alpha: Cooper, WWW 2014).

    The weight from item i to item j is the sum over users of ``P(i to u)^alpha P(u to j)^alpha``,
    divided by ``users of j ^ beta``. The `neighbours` largest are kept for each item of a history
    (where the walk from it ends), `normalize` lets these sum to 1, and of what is left the
    `neighbours` largest are kept for each item that is scored. Interactions are weighted by
    `event_weights`; `step_decay` and `half_life_days` let old items of a history count less when it
    is scored. A history that reaches no item at all cannot be scored.
    """

    personalised: ClassVar[bool] = True

    neighbours: int | None = 100
    alpha: float = 0.7
    beta: float = 0.6
    normalize: bool = True
    step_decay: float = 1.0
    half_life_days: float | None = None
    event_weights: Mapping[str, float] | None = None
    min_co_count: int = 1

    def __post_init__(self) -> None:
        check_co_count(self.min_co_count)
        for name in ("alpha", "beta"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigError(f"model.{name} must be 0 or more, got {getattr(self, name)}")
        Neighbourhood(neighbours=self.neighbours)
        self._history()

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Multiply the two steps' probabilities, a block of items at a time."""
        history = self._history()
        history.require_times(past, "rp3beta")
        matrix = history.without_decay().matrix(past)
        to_users, to_items = self._step(matrix.T.tocsr()), self._step(matrix)
        popularity = np.bincount(matrix.indices, minlength=past.n_items)
        discount = diags(np.maximum(popularity, 1.0) ** -self.beta)
        keys, near = hash_ids(past.catalogue.item_ids), Neighbourhood(neighbours=self.neighbours)
        blocks = [csr_matrix((0, past.n_items), dtype=np.float32)]
        for block in row_blocks(to_users, to_items):
            ends = _without_diagonal((to_users[block] @ to_items) @ discount, block.start)
            ends = near.nearest_of(ends, target_keys=keys[block], source_keys=keys)
            blocks.append(_row_normalised(ends) if self.normalize else ends)
        targets = vstack(blocks, format="csr", dtype=np.float32).T.tocsr()
        weights = near.nearest_of(targets, target_keys=keys, source_keys=keys).T.tocsr()
        weights = without_rare_pairs(weights, past, self.min_co_count)
        self.scorer_ = ItemWeights(weights, history)
        return self

    def _step(self, matrix: csr_matrix) -> csr_matrix:
        """Probabilities of going from a row to a column, to the power of alpha."""
        totals = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
        shares = matrix.data / np.repeat(totals, np.diff(matrix.indptr))
        parts = ((shares**self.alpha).astype(np.float32), matrix.indices, matrix.indptr)
        return csr_matrix(parts, shape=matrix.shape)

    def _history(self) -> HistoryWeights:
        return HistoryWeights.of(self.event_weights, self.step_decay, self.half_life_days)


def _without_diagonal(rows: csr_matrix, first: int) -> csr_matrix:
    """The rows of a square matrix from the `first` on, without their diagonal entries."""
    rows = rows.tocsr()
    places = first + np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    rows.data[rows.indices == places] = 0
    rows.eliminate_zeros()
    return rows


def _row_normalised(rows: csr_matrix) -> csr_matrix:
    totals = np.asarray(rows.sum(axis=1), dtype=np.float64).ravel()
    return (diags(1 / np.where(totals > 0, totals, 1)) @ rows).tocsr()
