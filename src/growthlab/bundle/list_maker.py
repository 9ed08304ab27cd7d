"""Lists for requests, with the scores, masks, ties and rules of the evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from growthlab.bundle.answers import RankedItem, Recommendation, RecommendRequest, RecommendServed
from growthlab.bundle.fallback_levels import FallbackLevels
from growthlab.bundle.nearest_items import NearestItems, NearestQuery
from growthlab.bundle.request_groups import (
    RequestGroup,
    RequestKind,
    check_policies,
    group_of,
    request_kind,
)
from growthlab.core.array_schema import FLOAT, LARGEST, ArraySchema, Schema
from growthlab.core.baskets import latest_baskets
from growthlab.core.errors import AnswerError, BundleError
from growthlab.core.histories import UNKNOWN, Catalogue, Histories
from growthlab.ranking.assortment import Assortment
from growthlab.ranking.candidates import seen_items
from growthlab.ranking.rules import Rules
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import top_k
from growthlab.scorers.base import Factored, GivesReasons, Scorer

BLOCK_MB = 128  # of scores held at once
BYTES_AN_ITEM = 16  # a score, its copies and the places of a partition
TILED_ABOVE = 100_000  # items, from which a product is searched in blocks of them
USERS_AT_ONCE = 256  # in such a search
SERVED_BY_VECTORS: Mapping[RequestKind, RecommendServed] = {
    "known": "known",
    "history": "folded_in",
    "basket": "basket",
}
NO_NAMES = np.zeros(0, dtype=str)
NO_RULES = Rules()
WITH_REASONS = ("known", "folded_in", "basket", "similar_items", "content")
MOST_PAIRS = (
    50_000  # of an item of the history and a listed one, compared for the reasons of a list
)
UNSCORED = np.finfo(np.float32).min  # the score of a pinned item that the model cannot score


@dataclass(frozen=True)
class ListMaker:
    """Makes lists for requests by the same steps as the evaluation; `FallbackLevels` gives the scores."""

    fallback_schema: ClassVar[Schema] = {
        "scores": ArraySchema(dtypes=FLOAT, shape=("n_items",)),
    }

    scorer: Scorer
    catalogue: Catalogue
    fallback: np.ndarray  # (n_items,) scores that stand in for the model's
    seed: int
    filter_seen: str
    item_hashes: np.ndarray
    state: Histories | None = None  # of known users; user_ids are pseudonyms, sorted
    content: Any = None  # a scorer of the items' content
    index: Any = None  # an `ItemIndex` of the scorer's item vectors

    @classmethod
    def of(
        cls,
        scorer: Scorer,
        catalogue: Catalogue,
        fallback: np.ndarray,
        seed: int,
        filter_seen: str,
        state: Histories | None = None,
        content: Any = None,
        index: Any = None,
    ) -> ListMaker:
        """A list maker with the hashes that order ties."""
        hashes = TieBreak.of(NO_NAMES, catalogue.item_ids, seed).item_hashes
        return cls(scorer, catalogue, fallback, seed, filter_seen, hashes, state, content, index)

    def lists(
        self,
        requests: Sequence[RecommendRequest],
        places: np.ndarray,
        k: int,
        rules: Rules = NO_RULES,
    ) -> list[Recommendation]:
        """A list of at most `k` items a request; `places` are rows of the state or `UNKNOWN`.

        `rules` hold for every request, together with its own.
        """
        if k < 1:
            raise BundleError(f"k must be at least 1, got {k}")
        check_policies(requests)
        kinds = [request_kind(r, p) for r, p in zip(requests, places, strict=True)]
        answers: dict[int, Recommendation] = {}
        for kind in dict.fromkeys(kinds):
            rows = np.flatnonzero([each == kind for each in kinds])
            nearest = self._nearest_items if kind in SERVED_BY_VECTORS else None
            size = USERS_AT_ONCE if nearest is not None else self._rows_at_once
            for start in range(0, len(rows), size):
                block = rows[start : start + size]
                group = group_of(
                    kind, [requests[r] for r in block], places[block], self.catalogue, self.state
                )
                recommendations = (
                    self._by_scores(group, k, rules)
                    if nearest is None
                    else self._by_vectors_or_scores(nearest, group, k, rules)
                )
                answers.update(zip(block.tolist(), recommendations, strict=True))
        return [answers[i] for i in range(len(requests))]

    @property
    def _rows_at_once(self) -> int:
        """How many requests' scores of all items are held together."""
        return max(1, BLOCK_MB * 2**20 // (max(len(self.catalogue), 1) * BYTES_AN_ITEM))

    @cached_property
    def assortment(self) -> Assortment:
        """The catalogue as rules see it."""
        return Assortment(self.catalogue)

    @cached_property
    def _levels(self) -> FallbackLevels:
        return FallbackLevels(
            self.scorer, self.catalogue, self.assortment, self.fallback, self.content
        )

    @cached_property
    def _nearest_items(self) -> NearestItems | None:
        """How a large catalogue is searched, where the model's scores are a product."""
        large = len(self.catalogue) > TILED_ABOVE or self.index is not None
        if not large or not isinstance(self.scorer, Factored):
            return None
        return NearestItems(self.scorer.item_vectors(), self.item_hashes, self.index)

    @cached_property
    def _reasoners(self) -> dict[str, GivesReasons | None]:
        """What names the reasons of lists by the model, and of lists by content."""
        scorers = {"model": self.scorer, "content": self.content}
        return {n: s if isinstance(s, GivesReasons) else None for n, s in scorers.items()}

    def _by_vectors_or_scores(
        self, nearest: NearestItems, group: RequestGroup, k: int, rules: Rules
    ) -> list[Recommendation]:
        """By a search among vectors where the user has one and no rule arranges, else from all scores."""
        assert isinstance(self.scorer, Factored)
        users = self.scorer.embed(group.histories)
        if (np.abs(users).max(axis=1, initial=0.0) > LARGEST).any() or _partly_nan(users).any():
            raise AnswerError("the model's vector of a customer is not finite")
        rules_of_rows = _rules_of_rows(group, rules)
        searched = ~np.isnan(users[:, 0]) & ~np.array(
            [any(r.arranges for r in own) for own in rules_of_rows]
        )
        answers: dict[int, Recommendation] = {}
        rest = np.flatnonzero(~searched)
        for start in range(0, len(rest), self._rows_at_once):
            rows = rest[start : start + self._rows_at_once]
            recommendations = self._by_scores(group.select(rows), k, rules)
            answers.update(zip(rows.tolist(), recommendations, strict=True))
        rows = np.flatnonzero(searched)
        if len(rows):
            recommendations = self._by_vectors(nearest, users[rows], group.select(rows), k, rules)
            answers.update(zip(rows.tolist(), recommendations, strict=True))
        return [answers[row] for row in range(len(rules_of_rows))]

    def _by_vectors(
        self, nearest: NearestItems, users: np.ndarray, group: RequestGroup, k: int, rules: Rules
    ) -> list[Recommendation]:
        """Lists by the product of vectors; no item is pinned, no category capped."""
        rules_of_rows, n = _rules_of_rows(group, rules), len(group.requests)
        k = min(k, len(self.catalogue))
        masks = [self._mask(own) for own in rules_of_rows]
        query = NearestQuery(users, self._user_hashes(group), self._hidden(group), masks)
        items, values = nearest.lists(query, k)
        before: list[tuple[str, ...]] = [()] * n
        if ruled := [row for row, own in enumerate(rules_of_rows) if own]:
            unruled = replace(query, masks=[None] * n).select(np.array(ruled))
            lists, _ = nearest.lists(unruled, k)
            for row, codes in zip(ruled, lists, strict=True):
                before[row] = tuple(self._item_ids(codes))
        served = [SERVED_BY_VECTORS[group.kind]] * n
        no_pins = [np.zeros(0, dtype=np.int32)] * n
        return self._answers(group, items, values, served, before, no_pins)

    def _by_scores(self, group: RequestGroup, k: int, rules: Rules) -> list[Recommendation]:
        """Lists from the scores of all items."""
        rules_of_rows = _rules_of_rows(group, rules)
        ruled = [row for row, own in enumerate(rules_of_rows) if own]
        masks = [self._mask(rules_of_rows[row]) for row in ruled]  # mistakes show before any work
        caps = [_cap(rules_of_rows[row]) for row in ruled]
        pinned = [self._pinned(own) for own in rules_of_rows]
        scores, served = self._levels.scores(group)
        for row, codes in enumerate(pinned):
            scores[row, codes] = np.maximum(scores[row, codes], UNSCORED)
        scores[self._hidden(group)] = -np.inf
        ties = TieBreak(self._user_hashes(group), self.item_hashes)
        k = min(k, max(len(self.catalogue), 1))
        items, values = top_k(scores, k, ties)
        before: list[tuple[str, ...]] = [()] * len(rules_of_rows)
        if ruled:
            own_scores = scores[ruled]
            for row, mask, own in zip(ruled, masks, own_scores, strict=True):
                before[row] = tuple(self._item_ids(items[row][values[row] > UNSCORED]))
                if mask is not None:
                    own[~mask] = -np.inf
            own_ties = ties.select(np.array(ruled))
            own_pins = [pinned[row] for row in ruled]
            items[ruled] = self.assortment.arranged(own_scores, k, own_ties, own_pins, caps)
            values[ruled] = np.take_along_axis(own_scores, items[ruled], axis=1)
        return self._answers(group, items, values, served, before, pinned)

    def _mask(self, rules: Sequence[Rules]) -> np.ndarray | None:
        """The items that all rules leave in; None: every item."""
        masks = [self.assortment.listable(own) for own in rules if own.masks]
        return np.logical_and.reduce(masks) if masks else None

    def _user_hashes(self, group: RequestGroup) -> np.ndarray:
        return TieBreak.of(group.histories.user_ids, NO_NAMES, self.seed).user_hashes

    def _pinned(self, rules: Sequence[Rules]) -> np.ndarray:
        """The codes of all pinned items, in their order."""
        return self.assortment.codes([item for own in rules for item in own.pinned])

    def _hidden(self, group: RequestGroup) -> tuple[np.ndarray, np.ndarray]:
        """Rows and codes of the items that are seen, excluded or asked about, sorted by row."""
        histories = group.histories
        excluded = [self.assortment.codes(request.exclude) for request in group.requests]
        rows = [np.full(len(codes), row) for row, codes in enumerate(excluded)]
        items = list(excluded)
        if group.kind in ("item", "basket"):
            rows.append(histories.rows)
            items.append(histories.items)
        elif group.kind != "nobody":
            policies = np.array([r.filter_seen or self.filter_seen for r in group.requests])
            for policy in np.unique(policies):
                own = np.flatnonzero(policies == policy)
                seen = seen_items(histories.select(own), str(policy))
                if seen is not None:
                    rows.append(np.repeat(own, np.diff(seen.indptr)))
                    items.append(seen.indices)
        all_rows = np.concatenate([*rows, np.zeros(0)]).astype(np.int64)
        codes = np.concatenate([*items, np.zeros(0)]).astype(np.int64)
        order = np.argsort(all_rows, kind="stable")
        return all_rows[order], codes[order]

    def _answers(
        self,
        group: RequestGroup,
        items: np.ndarray,
        values: np.ndarray,
        served: list[RecommendServed],
        before: list[tuple[str, ...]],
        pinned: Sequence[np.ndarray],
    ) -> list[Recommendation]:
        """Lists of codes and scores as answers."""
        if not np.isfinite(values[items != UNKNOWN]).all():
            raise AnswerError("the model's scores are not finite")
        reasons = self._reasons(group, items, values, served, pinned)
        return [
            Recommendation(
                self._ranked(items[row], values[row], reasons[row]),
                served[row],
                int(group.n_unknown[row]),
                before[row],
            )
            for row in range(len(served))
        ]

    def _reasons(
        self,
        group: RequestGroup,
        items: np.ndarray,
        values: np.ndarray,
        served: list[RecommendServed],
        pinned: Sequence[np.ndarray],
    ) -> list[list[str | None]]:
        """Why each item is listed, where the model can say.

        On the page of an item only what is similar is listed because of it, not the popular items
        that follow. Where a history and a list are both long, only the latest items of the history
        count: no request costs the product of both.
        """
        # the same for lists of about the same length, which may be made together
        latest = max(MOST_PAIRS >> max(items.shape[1] - 1, 0).bit_length(), 1)
        causes = np.full(items.shape, UNKNOWN, dtype=np.int32)
        for level in {s for s in served if s in WITH_REASONS}:
            rows = np.flatnonzero([s == level for s in served])
            histories = group.histories.select(rows)
            reasoner = self._reasoners["content" if level == "content" else "model"]
            if group.kind == "item":
                causes[rows] = np.where(values[rows] > 0, histories.padded(1), UNKNOWN)
            elif reasoner is not None:
                read = latest_baskets(histories, 1) if level == "content" else histories
                causes[rows] = reasoner.because(read.latest(latest), items[rows])
        names = self.catalogue.item_ids
        reasons = []
        for row, listed in enumerate(items.tolist()):
            own, pins = causes[row].tolist(), set(pinned[row].tolist())
            reasons.append(
                [
                    "pinned" if i in pins else f"because of {names[c]}" if c != UNKNOWN else None
                    for i, c in zip(listed, own, strict=True)
                ]
            )
        return reasons

    def _item_ids(self, items: np.ndarray) -> list[str]:
        """Raw ids of the items that are listed."""
        item_ids: list[str] = self.catalogue.item_ids[items[items != UNKNOWN]].tolist()
        return item_ids

    def _ranked(
        self, items: np.ndarray, scores: np.ndarray, reasons: list[str | None]
    ) -> list[RankedItem]:
        """One list with raw item ids."""
        known = [None if value <= UNSCORED else value for value in scores.tolist()]
        places = zip(self._item_ids(items), known, reasons, strict=False)  # the end may be empty
        return [RankedItem(i, v, rank, why) for rank, (i, v, why) in enumerate(places, start=1)]


def _partly_nan(rows: np.ndarray) -> np.ndarray:
    """The rows of which some entries are NaN and others are not, bool."""
    unknown = np.isnan(rows)
    return np.asarray(unknown.any(axis=1) & ~unknown.all(axis=1))


def _rules_of_rows(group: RequestGroup, rules: Rules) -> list[list[Rules]]:
    """The rules that hold for each request: the given ones and its own, without empty ones."""
    return [[r for r in (rules, request.rules) if r] for request in group.requests]


def _cap(rules: Sequence[Rules]) -> int | None:
    """The strictest `max_per_category`; None: none of the rules has one."""
    return min((r.max_per_category for r in rules if r.max_per_category is not None), default=None)
