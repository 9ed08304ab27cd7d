"""User-based collaborative filtering: what customers with similar histories have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.histories import Histories
from growthlab.core.seeding import hash_ids
from growthlab.models.base import ScoredRecommender
from growthlab.scorers.feature_weighting import FeatureWeighting, check_method
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.scorers.neighbourhood import Neighbourhood
from growthlab.scorers.user_neighbours import UserNeighbours
from growthlab.training.fit_options import FitOptions


@dataclass(kw_only=True)
class UserKNN(ScoredRecommender):
    """The weighted votes of the most similar users (Resnick et al., CSCW 1994; implicit feedback).

    The `neighbours` most similar past users are kept for each user who is scored, themselves left
    out. Similarities (`similarity`, `shrinkage`, `asymmetry`) are those of `Neighbourhood`, with
    the stored user as the source, on interactions weighted by `event_weights` and by `weighting`
    (users are the documents and items the terms; the votes are weighted likewise; similarities of
    sets know no weighting, and none is applied under them). `normalize`
    divides by the sum of the similarities, which brings scores of different users to one scale and
    changes no user's order. A history without any similar user cannot be scored.
    """

    personalised: ClassVar[bool] = True

    neighbours: int | None = 200
    similarity: str = "cosine"
    shrinkage: float = 5.0
    asymmetry: float = 0.5
    tversky_source: float = 1.0
    tversky_target: float = 1.0
    weighting: str = "none"
    normalize: bool = False
    event_weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        check_method(self.weighting)
        self._neighbourhood()
        HistoryWeights.of(self.event_weights)

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Store the weighted histories of all users who have one."""
        history = HistoryWeights.of(self.event_weights)
        matrix = history.matrix(past)
        stored = np.flatnonzero(np.diff(matrix.indptr))
        matrix = matrix[stored]
        method = "none" if self._neighbourhood().of_sets else self.weighting
        weighting = FeatureWeighting.fit(method, matrix)
        self.scorer_ = UserNeighbours(
            matrix=weighting(matrix),
            user_codes=past.user_codes[stored],
            keys=_content_keys(past)[stored],
            weighting=weighting,
            neighbourhood=self._neighbourhood(),
            normalize=self.normalize,
            history=history,
        )
        return self

    def _neighbourhood(self) -> Neighbourhood:
        return Neighbourhood(
            self.similarity,
            self.neighbours,
            self.shrinkage,
            self.asymmetry,
            self.tversky_source,
            self.tversky_target,
        )


def _content_keys(past: Histories) -> np.ndarray:
    """A hash of the items each user has, shape ``(n_users,)``, uint64, whatever their codes.

    Users who share it are interchangeable as neighbours; the raw user ids stay out of the scorer.
    """
    pairs = past.matrix()
    keys = hash_ids(past.catalogue.item_ids)[pairs.indices]
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(keys, dtype=np.uint64)])
    return sums[pairs.indptr[1:]] - sums[pairs.indptr[:-1]]  # modulo 2 ** 64
