"""Scores for requests: by the model where it can, else by the next of the fallback levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from growthlab.bundle.answers import RecommendServed
from growthlab.bundle.request_groups import RequestGroup
from growthlab.core.baskets import latest_baskets
from growthlab.core.histories import UNKNOWN, Catalogue, Histories
from growthlab.ranking.assortment import Assortment
from growthlab.ranking.fallback import fill_unscored
from growthlab.scorers.base import ComparesItems, ReadsContent, Scorer

MOST_COMPARED = 50  # items of a basket, where the model cannot score a basket but compares items
ENTRIES_AT_ONCE = 2**21  # similarities that are held together: 8 MB

Score = Callable[[np.ndarray], np.ndarray]  # rows of a group -> scores; a NaN row: cannot


@dataclass(frozen=True)
class FallbackLevels:
    """What is tried in turn to score all items for a request.

    A stored customer is served by the model or by popularity, as was evaluated; the levels between
    are for what comes with a request.
    """

    scorer: Scorer
    catalogue: Catalogue
    assortment: Assortment
    popularity: np.ndarray  # (n_items,) scores of the last level
    content: Any = None  # a scorer of the items' content

    def scores(self, group: RequestGroup) -> tuple[np.ndarray, list[RecommendServed]]:
        """Scores ``(n, n_items)`` that may be changed, and how each request was served."""
        n = group.histories.n_users
        last: RecommendServed = (
            "not_personalised" if group.kind == "nobody" else "popularity_fallback"
        )
        served, left = [last] * n, np.arange(n)
        says_something = (group.histories.lengths > 0) | (group.kind in ("known", "item"))
        scores: np.ndarray | None = None
        for level, score in self._levels(group):
            level_scores = score(left)
            filled, is_unscored = fill_unscored(level_scores, self.popularity)
            scored = left[~is_unscored]
            if scores is None:
                scores = filled.copy() if np.may_share_memory(filled, level_scores) else filled
            else:
                scores[scored] = filled[~is_unscored]
            for row in scored.tolist():
                served[row] = level if says_something[row] else last
            left = left[is_unscored]
            if not len(left):
                break
        if scores is None:
            scores = np.tile(np.asarray(self.popularity, dtype=np.float32), (n, 1))
        return scores, served

    def _levels(self, group: RequestGroup) -> list[tuple[RecommendServed, Score]]:
        """What is tried, in this order, before popularity."""
        histories = group.histories
        if group.kind == "known":
            return [("known", _by(self.scorer, histories))]
        if group.kind == "nobody":
            return []
        if group.kind == "item":
            return self._item_levels(histories.padded(1)[:, 0])
        levels: list[tuple[RecommendServed, Score]] = [
            ("basket" if group.kind == "basket" else "folded_in", _by(self.scorer, histories))
        ]
        if group.kind == "basket" and self._comparer is not None:
            levels.append(("basket", self._similar_to_baskets(self._comparer, histories)))
        if self.content is not None:
            levels.append(("content", _by(self.content, latest_baskets(histories, 1))))
        return levels

    def _item_levels(self, codes: np.ndarray) -> list[tuple[RecommendServed, Score]]:
        """What is tried for the pages of these items."""
        levels: list[tuple[RecommendServed, Score]] = []
        if self._comparer is not None:
            levels.append(("similar_items", self._similar(self._comparer, codes)))
        if self.content is not None:
            levels.append(("content", self._similar(self.content, codes)))
        if self.catalogue.category is not None:
            levels.append(("category_popularity", self._in_category(codes)))
        return levels

    @cached_property
    def _comparer(self) -> ComparesItems | None:
        """The scorer, if it knows which items are alike."""
        return self.scorer if isinstance(self.scorer, ComparesItems) else None

    def _similar_to_baskets(self, scorer: ComparesItems, histories: Histories) -> Score:
        """The model's similarity to the items of each basket, on average; NaN row: not known.

        Of a large basket, `MOST_COMPARED` items count: each costs as much as a whole list.
        """

        def score(rows: np.ndarray) -> np.ndarray:
            pairs = histories.select(rows).latest(MOST_COMPARED).matrix()
            items = np.unique(pairs.indices)
            size = max(1, ENTRIES_AT_ONCE // max(len(self.catalogue), 1))
            counts = np.zeros((len(rows), 1), dtype=np.float32)
            sums = np.zeros((len(rows), len(self.catalogue)), dtype=np.float32)
            for start in range(0, len(items), size):
                block = items[start : start + size]
                similarity = self._similar(scorer, block)(np.arange(len(block)))
                known = ~np.isnan(similarity[:, :1])
                counts += pairs[:, block] @ known.astype(np.float32)
                sums += pairs[:, block] @ np.where(known, similarity, 0)
            return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

        return score

    def _similar(self, scorer: ComparesItems, codes: np.ndarray) -> Score:
        """The scorer's similarity to each item, then the others by popularity; NaN row: not known.

        Only a scorer that reads content knows anything of items without events.
        """
        reads_content = scorer is self.content or (
            isinstance(scorer, ReadsContent) and scorer.reads_content
        )
        has_events = None if reads_content else self.popularity > 0

        def score(rows: np.ndarray) -> np.ndarray:
            items = codes[rows]
            known = (items != UNKNOWN) & (has_events[items] if has_events is not None else True)
            out = np.full((len(rows), len(self.catalogue)), np.nan, dtype=np.float32)
            if known.any():
                similarity = scorer.similar(items[known])
                near = similarity != 0
                if has_events is not None:
                    near &= has_events
                out[known] = np.where(
                    near | np.isnan(similarity), similarity, self._popularity_shares - 2
                )
            return out

        return score

    def _in_category(self, codes: np.ndarray) -> Score:
        """Popular items, those of each item's category first; NaN row: it has no category."""
        groups = self.assortment.groups

        def score(rows: np.ndarray) -> np.ndarray:
            own = np.where(codes[rows] == UNKNOWN, UNKNOWN, groups[codes[rows]])
            out = (self._popularity_shares + (groups == own[:, None])).astype(np.float32)
            out[own == UNKNOWN] = np.nan
            return out

        return score

    @cached_property
    def _popularity_shares(self) -> np.ndarray:
        """The popularity scaled to [0, 1)."""
        low, high = (f(self.popularity, initial=0.0) for f in (np.min, np.max))
        return ((self.popularity - low) / (high - low + 1)).astype(np.float32)


def _by(scorer: Any, histories: Histories) -> Score:
    """The scorer's scores for histories."""

    def score(rows: np.ndarray) -> np.ndarray:
        whole = len(rows) == histories.n_users
        scores: np.ndarray = scorer.score(histories if whole else histories.select(rows))
        return scores

    return score
