"""Last-item transitions: what others took in the basket after one like the customer's latest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.models.base import ScoredRecommender
from growthlab.models.recommend.popularity import users_of_items
from growthlab.scorers.transitions import Transitions, basket_shares
from growthlab.training.fit_options import FitOptions


@dataclass(kw_only=True)
class Markov(ScoredRecommender):
    """A first-order Markov chain over baskets, by counts (Rendle et al., WWW 2010, not factorised).

    Each step of a user from basket b to the next basket c counts one in all, spread evenly over
    the ``|b| |c|`` pairs of items; rows are then divided by their sums. For baskets of one item
    these are the last-item transition counts. The score is the mean row of the latest basket's
    items; earlier baskets count ``step_decay ** baskets since``, which 0 leaves out. A tiny share of
    popularity ranks the items that no transition reaches.
    """

    personalised: ClassVar[bool] = True

    step_decay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.step_decay <= 1:
            raise ConfigError(f"step_decay must lie in 0 ... 1, got {self.step_decay}")

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Count the steps from each basket to the next one of the same user."""
        shares = basket_shares(past)
        users = past.rows[np.flatnonzero(np.diff(past.baskets, prepend=-1))]  # of each basket
        followed = np.flatnonzero(users[1:] == users[:-1])
        counts = (shares[followed].T @ shares[followed + 1]).tocsr()
        popularity = users_of_items(past)
        popularity /= max(popularity.max(initial=0), 1)
        self.scorer_ = Transitions(_row_normalised(counts), popularity, self.step_decay)
        return self


def _row_normalised(counts: csr_matrix) -> csr_matrix:
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    return (diags(1 / np.where(totals > 0, totals, 1)) @ counts).tocsr().astype(np.float32)
