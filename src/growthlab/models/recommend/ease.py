"""EASE: the best linear item-item model in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.linalg import get_lapack_funcs
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.models.base import ScoredRecommender
from growthlab.models.co_counts import check_co_count, without_rare_pairs
from growthlab.models.gram import check_memory, dense_gram
from growthlab.scorers.dense_item_weights import DenseItemWeights
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.training.fit_options import FitOptions

BLOCK = 1024  # rows of a triangle that are mirrored at a time
ROUNDING = 1e-4  # the largest tolerated relative error of the inverse in single precision


@dataclass(kw_only=True)
class EASE(ScoredRecommender):
    """Each item regressed on all others (Steck, "Embarrassingly Shallow Autoencoders", WWW 2019).

    Minimises ``|X - X B|^2 + l2 |B|^2`` with a zero diagonal of B: with ``P = (X'X + l2 I)^-1``
    it is ``B_ij = -P_ij / P_jj``, and a history's scores are ``x B``. X holds users' interactions
    weighted by `event_weights`; `step_decay` and `half_life_days` let old items of a history count
    less when it is scored; B does not depend on time. A history of isolated items only cannot be scored.

    Memory grows with the square of the catalogue and time with its cube: beyond `memory_mb` the
    fit is refused before it starts. The inverse is in single precision if a bound of its rounding
    error is small, else in double (12 bytes for every pair of items instead of 4).
    """

    personalised: ClassVar[bool] = True

    l2: float = 200.0
    step_decay: float = 1.0
    half_life_days: float | None = None
    event_weights: Mapping[str, float] | None = None
    min_co_count: int = 1
    memory_mb: float = 4096

    def __post_init__(self) -> None:
        check_co_count(self.min_co_count)
        if not self.l2 > 0:
            raise ConfigError(
                f"model.l2 must be positive, got {self.l2}: the Gram matrix is singular without it"
            )
        self._history()

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Invert the regularised Gram matrix by Cholesky, in place."""
        history = self._history()
        history.require_times(past, "ease")
        matrix = history.without_decay().matrix(past)
        double = _condition(matrix, self.l2) * np.finfo(np.float32).eps > ROUNDING
        check_memory("ease", past.n_items, 12 if double else 4, self.memory_mb)
        gram = dense_gram(matrix)
        weights = ease_weights(gram.astype(np.float64) if double else gram, self.l2)
        weights = without_rare_pairs(weights, past, self.min_co_count)
        self.scorer_ = DenseItemWeights(weights.astype(np.float32, copy=False), history)
        return self

    def _history(self) -> HistoryWeights:
        return HistoryWeights.of(self.event_weights, self.step_decay, self.half_life_days)


def ease_weights(gram: np.ndarray, l2: float) -> np.ndarray:
    """B from the Gram matrix, in place: shape ``(n_items, n_items)``, column: item scored."""
    if not len(gram):
        return gram
    gram[np.diag_indices_from(gram)] += l2
    potrf, potri = get_lapack_funcs(("potrf", "potri"), (gram,))
    # the transpose of a C-ordered symmetric matrix is itself, in the order that LAPACK overwrites
    factor, failed = potrf(gram.T, lower=True, overwrite_a=True, clean=False)
    if not failed:
        inverse, failed = potri(factor, lower=True, overwrite_c=True)
    if failed:
        raise ConfigError(f"model.l2={l2:g} leaves the Gram matrix singular: raise it")
    upper = inverse.T  # below the diagonal it is not filled
    for start in range(0, len(upper), BLOCK):
        rows = slice(start, start + BLOCK)
        upper[start + BLOCK :, rows] = upper[rows, start + BLOCK :].T
        corner = np.triu(upper[rows, rows])
        upper[rows, rows] = corner + np.triu(corner, 1).T
    upper /= -np.diag(upper).copy()  # B is not symmetric: each column by its own P_jj
    np.fill_diagonal(upper, 0)
    return upper


def _condition(matrix: csr_matrix, l2: float) -> float:
    """An upper bound of the condition number: no eigenvalue exceeds the largest row sum."""
    sums = matrix.T @ np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    return (float(sums.max(initial=0)) + l2) / l2
