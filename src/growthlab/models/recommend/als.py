"""ALS: implicit matrix factorisation by alternating exact ridge solves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.core.progress import progress
from growthlab.core.seeding import stream
from growthlab.models.base import ScoredRecommender
from growthlab.scorers.folded_factors import FoldedFactors
from growthlab.scorers.ridge import Ridge
from growthlab.training.options import FitOptions


@dataclass(kw_only=True)
class ALS(ScoredRecommender):
    """iALS as revisited by Rendle et al., RecSys 2022 (Hu, Koren & Volinsky, ICDM 2008).

    Minimises the sum over the pairs of the past of ``(1 - w_u'h_i)^2``, plus `unseen` times the
    sum over all pairs of ``(w_u'h_i)^2``, plus `l2` times every squared factor, scaled by how much
    its user or item counts to the power of `frequency` (see `Ridge`). Each epoch solves for all
    items and then for all users, each exactly, from factors drawn with a standard deviation of
    ``0.1 / sqrt(width)``. `losses_` is the objective after each epoch, a pair of the past.

    A user is scored by solving for the history given, so that new customers and new events need no
    training, and a training user gets the trained factors. An empty history cannot be scored. An
    item without events has zero factors and scores 0.
    """

    stochastic: ClassVar[bool] = True
    personalised: ClassVar[bool] = True

    width: int = 64
    l2: float = 0.01
    unseen: float = 0.1
    frequency: float = 1.0
    epochs: int = 16

    def __post_init__(self) -> None:
        for name in ("width", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} must be at least 1, got {getattr(self, name)}")
        self._ridge()

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Alternate between items and users; the last solve is the users'."""
        ridge, pairs = self._ridge(), past.matrix()
        of_items = pairs.T.tocsr()
        rng = stream(options.seed, "factors")
        users = rng.normal(0, 0.1 / np.sqrt(self.width), (past.n_users, self.width))
        users = users.astype(np.float32)
        users[np.diff(pairs.indptr) == 0] = 0
        self.losses_: list[float] = []
        n_epochs = options.epochs or self.epochs
        for _ in progress(range(n_epochs), "als", total=n_epochs):
            items = ridge.solve(of_items, users)
            users = ridge.solve(pairs, items)
            self.losses_.append(objective(ridge, pairs, users, items) / max(pairs.nnz, 1))
        self.user_factors_ = users
        self.scorer_ = FoldedFactors(items, ridge)
        return self

    def _ridge(self) -> Ridge:
        return Ridge(l2=self.l2, unseen=self.unseen, frequency=self.frequency)


def objective(ridge: Ridge, pairs: csr_matrix, users: np.ndarray, items: np.ndarray) -> float:
    """What the alternation minimises."""
    rows = np.repeat(np.arange(pairs.shape[0]), np.diff(pairs.indptr))
    loss = 0.0
    for start in range(0, pairs.nnz, 100_000):
        part = slice(start, start + 100_000)
        scores = np.einsum("nd,nd->n", users[rows[part]], items[pairs.indices[part]])
        loss += float(((1 - scores.astype(np.float64)) ** 2).sum())
    gram_users, gram_items = (f.astype(np.float64).T @ f for f in (users, items))
    loss += ridge.unseen * float((gram_users * gram_items).sum())
    n_users, n_items = pairs.shape
    of_user, of_item = np.diff(pairs.indptr), np.bincount(pairs.indices, minlength=n_items)
    squared = [np.einsum("nd,nd->n", f, f, dtype=np.float64) for f in (users, items)]
    loss += float((ridge.penalties(of_user, n_items) * squared[0]).sum())
    return loss + float((ridge.penalties(of_item, n_users) * squared[1]).sum())
