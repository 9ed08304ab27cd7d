"""ALS: implicit matrix factorisation by alternating ridge regressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.core.processors import n_threads
from growthlab.core.progress import bar, progress
from growthlab.core.seeding import random_stream
from growthlab.models.base import ScoredRecommender
from growthlab.scorers.folded_factors import FoldedFactors
from growthlab.scorers.ridge import Ridge
from growthlab.training.fit_options import FitOptions
from growthlab.training.learned_state import LearnedState

ITEMS = "item_factors"


@dataclass(kw_only=True)
class ALS(ScoredRecommender):
    """iALS as revisited by Rendle et al., RecSys 2022 (Hu, Koren & Volinsky, ICDM 2008).

    Minimises the sum over the pairs of the past of ``(1 - w_u'h_i)^2``, plus `unseen` times the
    sum over all pairs of ``(w_u'h_i)^2``, plus `l2` times every squared factor, scaled by the
    count of its user or item to the power of `frequency` (see `Ridge`). Each epoch moves all users
    and then all items towards their optimum (`Ridge.improve`), from items' factors drawn with a
    standard deviation of ``0.1 / sqrt(width)``. `losses_` is the objective after each epoch, per
    pair of the past.

    With a `frequency` of 0 all factors are penalised alike, which the library ``implicit`` solves;
    `losses_` is then empty, as the library does not report it. Its confidence ``alpha`` is
    ``(1 + unseen) / unseen``, its regularisation ``l2 (1 + unseen) / unseen``, and its factors are
    ``sqrt(1 + unseen)`` times these: the two objectives are then proportional, apart from a
    constant.

    A user is scored by solving for their history, so that new customers and new events need no
    training; no user factors are kept. An empty history cannot be scored. An item without events
    has zero factors and scores 0.
    """

    stochastic: ClassVar[bool] = True
    personalised: ClassVar[bool] = True

    width: int = 64
    l2: float = 3.0
    unseen: float = 0.1
    frequency: float = 0.0
    epochs: int = 16

    def __post_init__(self) -> None:
        for name in ("width", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} must be at least 1, got {getattr(self, name)}")
        self._ridge()

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Alternate between users and items, from the items' factors of `FitOptions.warm` if given."""
        pairs, n_epochs = past.matrix(), options.epochs or self.epochs
        rng = random_stream(options.seed, "factors")
        items = rng.normal(0, 0.1 / np.sqrt(self.width), (past.n_items, self.width))
        items = items.astype(np.float32)
        if options.warm is not None:
            items = options.warm.remapped(ITEMS, items, past)
        items[np.bincount(pairs.indices, minlength=past.n_items) == 0] = 0
        self.losses_: list[float] = []
        by_library = self.frequency == 0 and self.unseen > 0
        run = self._by_library if by_library else self._alternate
        self.scorer_ = FoldedFactors(run(pairs, items, n_epochs), self._ridge())
        return self

    def learned_state(self, past: Histories) -> LearnedState:
        """The items' factors; users are solved for anew. See `ContinuesFit.learned_state`."""
        assert isinstance(self.scorer_, FoldedFactors)
        return LearnedState.of(self, {ITEMS: self.scorer_.item_factors}, {ITEMS: "items"}, past)

    def _alternate(self, pairs: csr_matrix, items: np.ndarray, n_epochs: int) -> np.ndarray:
        """Items' factors after the epochs."""
        ridge, of_items = self._ridge(), pairs.T.tocsr()
        users = np.zeros((pairs.shape[0], self.width), dtype=np.float32)
        of_users = ridge.penalties(np.diff(pairs.indptr), pairs.shape[1])
        for _ in progress(range(n_epochs), "als", total=n_epochs):
            users, _ = ridge.improve(pairs, items, users)
            items, cost = ridge.improve(of_items, users, items)
            cost += float(of_users @ np.einsum("nd,nd->n", users, users, dtype=np.float64))
            self.losses_.append(cost / max(pairs.nnz, 1))
        return items

    def _by_library(self, pairs: csr_matrix, items: np.ndarray, n_epochs: int) -> np.ndarray:
        """Items' factors from ``implicit``, in the scale of this objective."""
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        scale = np.float32(np.sqrt(1 + self.unseen))
        alpha = (1 + self.unseen) / self.unseen
        with threadpool_limits(1, "blas"):  # the library has its own threads
            model = AlternatingLeastSquares(
                factors=self.width,
                regularization=self.l2 * alpha,
                alpha=alpha,
                iterations=n_epochs,
                num_threads=n_threads(),
            )
            model.user_factors = np.zeros((pairs.shape[0], self.width), dtype=np.float32)
            model.item_factors = items * scale
            with bar("als", n_epochs) as update:
                model.fit(pairs, show_progress=False, callback=lambda n, *_: update(n + 1, ""))
        return model.item_factors / scale

    def _ridge(self) -> Ridge:
        return Ridge(l2=self.l2, unseen=self.unseen, frequency=self.frequency)
