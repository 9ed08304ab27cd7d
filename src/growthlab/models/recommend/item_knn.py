"""Item-based collaborative filtering: items like those of the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags

from growthlab.core.histories import Histories
from growthlab.core.seeding import hash_ids
from growthlab.models.base import ScoredRecommender
from growthlab.models.co_counts import check_co_count, without_rare_pairs
from growthlab.scorers.feature_weighting import FeatureWeighting, check_method
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.scorers.item_weights import ItemWeights
from growthlab.scorers.neighbourhood import Neighbourhood
from growthlab.training.fit_options import FitOptions


@dataclass(kw_only=True)
class ItemKNN(ScoredRecommender):
    """An item's score is the sum of its similarities to the history (Sarwar et al., WWW 2001).

    The `neighbours` most similar items are kept for each item that is *scored* (each column), not
    for each item of a history: pruning the rows instead gives another model. Similarities
    (`similarity`, `shrinkage`, `asymmetry`) are those of `Neighbourhood`, on users' interactions
    weighted by `event_weights` and by `weighting` (items are the documents and users the terms;
    under bm25 the history is weighted likewise; similarities of sets know no weighting, and none is
    applied under them). `normalize` divides the score of an item by the
    sum of the similarities kept for it. `step_decay` and `half_life_days` let old items of a
    history count less when it is scored; the similarities know no time. An item without a similar
    item in the history scores 0; a history that reaches no item at all cannot be scored.
    """

    personalised: ClassVar[bool] = True

    neighbours: int | None = 100
    similarity: str = "cosine"
    shrinkage: float = 20.0
    asymmetry: float = 0.5
    tversky_source: float = 1.0
    tversky_target: float = 1.0
    weighting: str = "none"
    normalize: bool = False
    step_decay: float = 1.0
    half_life_days: float | None = None
    event_weights: Mapping[str, float] | None = None
    min_co_count: int = 1

    def __post_init__(self) -> None:
        check_co_count(self.min_co_count)
        check_method(self.weighting)
        self._neighbourhood()
        self._history()

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Compare all items with each other by the users whom they share."""
        history = self._history()
        history.require_times(past, "item_knn")
        matrix = history.without_decay().matrix(past).T.tocsr()  # items x users
        method = "none" if self._neighbourhood().of_sets else self.weighting
        weighting = FeatureWeighting.fit(method, matrix)
        weighted = weighting(matrix)
        neighbourhood, keys = self._neighbourhood(), hash_ids(past.catalogue.item_ids)
        sources = neighbourhood.sources(weighted, keys)
        near = neighbourhood.of(weighted, sources, own=np.arange(past.n_items), target_keys=keys)
        weights = self._weights(near, weighting.row_factors(matrix))
        weights = without_rare_pairs(weights, past, self.min_co_count)
        self.scorer_ = ItemWeights(weights, history)
        return self

    def _weights(self, near: csr_matrix, factors: np.ndarray) -> csr_matrix:
        """From targets x sources to sources x targets, the history's own weighting folded in."""
        if self.normalize:
            total = np.asarray(near.sum(axis=1), dtype=np.float64).ravel()
            near = diags(1 / np.where(total > 0, total, 1)) @ near
        return (diags(factors) @ near.T).tocsr().astype(np.float32)

    def _neighbourhood(self) -> Neighbourhood:
        return Neighbourhood(
            self.similarity,
            self.neighbours,
            self.shrinkage,
            self.asymmetry,
            self.tversky_source,
            self.tversky_target,
        )

    def _history(self) -> HistoryWeights:
        return HistoryWeights.of(self.event_weights, self.step_decay, self.half_life_days)
