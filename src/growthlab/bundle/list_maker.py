"""Lists for requests: by the model where it can, else by the next rung of the ladder of fallbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from growthlab.bundle.answers import RankedItem, Recommendation, RecommendRequest, RecommendServed
from growthlab.bundle.nearest_items import NearestItems, Sought
from growthlab.core.baskets import latest_baskets
from growthlab.core.errors import BundleError, near_matches
from growthlab.core.histories import UNKNOWN, Catalogue, Histories
from growthlab.ranking.assortment import Assortment
from growthlab.ranking.candidates import SEEN_EVENTS, seen_items
from growthlab.ranking.fallback import fill_unscored
from growthlab.ranking.rules import Rules
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import top_k
from growthlab.scorers.base import Scorer

BLOCK_MB = 128  # of scores held at once
BYTES_AN_ITEM = 16  # a score, its copies and the places of a partition
TILED_ABOVE = 100_000  # items, from which a product is searched in blocks of them
USERS_AT_ONCE = 256  # in such a search
BY_VECTORS: Mapping[str, RecommendServed] = {
    "known": "known",
    "history": "folded_in",
    "basket": "basket",
}
NOBODY = np.zeros(0, dtype=str)
NO_RULES = Rules()
WITH_REASONS = ("known", "folded_in", "basket", "similar_items", "content")
UNSCORED = np.finfo(np.float32).min  # stands for a pinned item that the model cannot score

RequestKind = str  # known, history, basket, item or nobody
Score = Callable[[np.ndarray], np.ndarray]  # rows of a block -> scores, NaN rows: cannot


@dataclass(frozen=True)
class RequestGroup:
    """Requests of one way that are answered together."""

    way: RequestKind
    requests: list[RecommendRequest]
    histories: Histories  # what each request is about; of nobody: empty
    n_unknown: np.ndarray

    def select(self, rows: np.ndarray) -> RequestGroup:
        """Some of the requests."""
        requests = [self.requests[row] for row in rows]
        return RequestGroup(self.way, requests, self.histories.select(rows), self.n_unknown[rows])


@dataclass(frozen=True)
class ListMaker:
    """Makes lists for requests: the same scorer, masks, ties and fallback as the evaluation had.

    A stored customer is served by the model or by popularity, as was measured; the rungs between
    are for what comes with a request. `content` scores by what items are made of.
    """

    scorer: Scorer
    catalogue: Catalogue
    fallback: np.ndarray  # (n_items,) scores that stand in for the model's
    seed: int
    filter_seen: str
    item_hashes: np.ndarray
    state: Histories | None = None  # of known users; user_ids are pseudonyms, sorted
    content: Any = None
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
        """A list maker; the hashes of the ties are made once."""
        hashes = TieBreak.of(NOBODY, catalogue.item_ids, seed).item_hashes
        return cls(scorer, catalogue, fallback, seed, filter_seen, hashes, state, content, index)

    def lists(
        self,
        requests: Sequence[RecommendRequest],
        places: np.ndarray,
        k: int,
        rules: Rules = NO_RULES,
    ) -> list[Recommendation]:
        """A list of at most `k` items a request; `places` are rows of the state or `UNKNOWN`.

        `rules` hold for every request, beside its own.
        """
        if k < 1:
            raise BundleError(f"k must be at least 1, got {k}")
        self._check(requests)
        ways = np.array(
            [request_kind(r, p) for r, p in zip(requests, places, strict=True)], dtype=str
        )
        answers: dict[int, Recommendation] = {}
        for way in dict.fromkeys(ways.tolist()):
            rows = np.flatnonzero(ways == way)
            near = self._near if way in BY_VECTORS else None
            size = USERS_AT_ONCE if near is not None else self._rows_at_once
            for start in range(0, len(rows), size):
                block = rows[start : start + size]
                asked = self._asked(way, [requests[r] for r in block], places[block])
                found = (
                    self._whole(asked, k, rules)
                    if near is None
                    else self._mixed(near, asked, k, rules)
                )
                answers.update(zip(block.tolist(), found, strict=True))
        return [answers[i] for i in range(len(requests))]

    @property
    def _rows_at_once(self) -> int:
        """How many requests' scores of all items are held together."""
        return max(1, BLOCK_MB * 2**20 // (max(len(self.catalogue), 1) * BYTES_AN_ITEM))

    @cached_property
    def _near(self) -> NearestItems | None:
        """How a large catalogue is searched, where the model's scores are a product."""
        large = len(self.catalogue) > TILED_ABOVE or self.index is not None
        if not large or not hasattr(self.scorer, "item_vectors"):
            return None
        return NearestItems(self.scorer.item_vectors(), self.item_hashes, self.index)

    def _mixed(
        self, near: NearestItems, asked: RequestGroup, k: int, rules: Rules
    ) -> list[Recommendation]:
        """By a search among vectors where that will do, else from the scores of all items."""
        users: np.ndarray = self.scorer.embed(asked.histories)  # type: ignore[attr-defined]
        both = self._both(asked, rules)
        can = ~np.isnan(users[:, 0]) & ~np.array([any(r.arranges for r in own) for own in both])
        answers: dict[int, Recommendation] = {}
        rest = np.flatnonzero(~can)
        for start in range(0, len(rest), self._rows_at_once):
            rows = rest[start : start + self._rows_at_once]
            answers.update(
                zip(rows.tolist(), self._whole(asked.select(rows), k, rules), strict=True)
            )
        rows = np.flatnonzero(can)
        if len(rows):
            found = self._nearest(near, users[rows], asked.select(rows), k, rules)
            answers.update(zip(rows.tolist(), found, strict=True))
        return [answers[row] for row in range(len(both))]

    def _nearest(
        self, near: NearestItems, users: np.ndarray, asked: RequestGroup, k: int, rules: Rules
    ) -> list[Recommendation]:
        """Lists by the product of vectors, none of which is pinned or capped."""
        both, n = self._both(asked, rules), len(asked.requests)
        k = min(k, len(self.catalogue))
        masks = [self._mask(own) for own in both]
        sought = Sought(users, self._user_hashes(asked), self._hidden(asked), masks)
        items, values = near.lists(sought, k)
        before: list[tuple[str, ...]] = [()] * n
        if ruled := [row for row, own in enumerate(both) if own]:
            free = replace(sought, masks=[None] * n).select(np.array(ruled))
            without, _ = near.lists(free, k)
            for row, codes in zip(ruled, without, strict=True):
                before[row] = tuple(self._names(codes))
        rung: RecommendServed = BY_VECTORS[asked.way]
        nothing = [np.zeros(0, dtype=np.int32)] * n
        return self._answers(asked, items, values, [rung] * n, before, nothing)

    def _mask(self, rules: Sequence[Rules]) -> np.ndarray | None:
        """The items that all rules leave in; None: every item."""
        masks = [self.assortment.listable(own) for own in rules if own.masks]
        return np.logical_and.reduce(masks) if masks else None

    def _both(self, asked: RequestGroup, rules: Rules) -> list[list[Rules]]:
        """The rules of each request that are any."""
        return [[r for r in (rules, request.rules) if r] for request in asked.requests]

    def _user_hashes(self, asked: RequestGroup) -> np.ndarray:
        return TieBreak.of(asked.histories.user_ids, NOBODY, self.seed).user_hashes

    def _check(self, requests: Sequence[RecommendRequest]) -> None:
        for policy in {r.filter_seen for r in requests} - {None}:
            if policy not in SEEN_EVENTS:
                raise BundleError(f"filter_seen={policy}: {near_matches(str(policy), SEEN_EVENTS)}")

    def _asked(
        self, way: RequestKind, requests: list[RecommendRequest], places: np.ndarray
    ) -> RequestGroup:
        """What the requests of one way are about."""
        if way == "known":
            assert self.state is not None
            histories, n_unknown = self.state.select(places), np.zeros(len(requests), dtype=int)
        else:
            given = [_given(way, r) for r in requests]
            histories = Histories.from_lists(self.catalogue, given, as_baskets=way == "basket")
            n_unknown = np.array([len(g) for g in given], dtype=int) - histories.lengths
        personal = way in ("known", "history")
        names = np.array([(r.user_id or "") if personal else "" for r in requests], dtype=str)
        # under the ids asked for, not pseudonyms: the ids order ties
        return RequestGroup(way, requests, replace(histories, user_ids=names), n_unknown)

    def _whole(self, asked: RequestGroup, k: int, rules: Rules) -> list[Recommendation]:
        """The lists of some requests from the scores of all items."""
        both = self._both(asked, rules)
        pinned = [self._pinned(own) for own in both]
        scores, served = self._scores(asked)
        for row, codes in enumerate(pinned):
            scores[row, codes] = np.maximum(scores[row, codes], UNSCORED)
        scores[self._hidden(asked)] = -np.inf
        ties = TieBreak(self._user_hashes(asked), self.item_hashes)
        k = min(k, max(len(self.catalogue), 1))
        items, values = top_k(scores, k, ties)
        before: list[tuple[str, ...]] = [()] * len(both)
        for row in [row for row, own in enumerate(both) if own]:
            before[row] = tuple(self._names(items[row][values[row] > UNSCORED]))
            part = scores[row : row + 1]
            items[row] = self._ruled(
                part, k, ties.select(slice(row, row + 1)), both[row], pinned[row]
            )
            values[row] = part[0, items[row]]
        return self._answers(asked, items, values, served, before, pinned)

    def _answers(
        self,
        asked: RequestGroup,
        items: np.ndarray,
        values: np.ndarray,
        served: list[RecommendServed],
        before: list[tuple[str, ...]],
        pinned: Sequence[np.ndarray],
    ) -> list[Recommendation]:
        """Lists of codes and scores as answers."""
        reasons = self._reasons(asked, items, values, served, pinned)
        return [
            Recommendation(
                self._named(items[row], values[row], reasons[row]),
                served[row],
                int(asked.n_unknown[row]),
                before[row],
            )
            for row in range(len(served))
        ]

    def _pinned(self, rules: Sequence[Rules]) -> np.ndarray:
        """The codes of all pinned items, in their order."""
        return self.assortment.codes([item for own in rules for item in own.pinned])

    def _ruled(
        self, scores: np.ndarray, k: int, ties: TieBreak, rules: list[Rules], pinned: np.ndarray
    ) -> np.ndarray:
        """One list under rules, ``(k,)``, -1 behind its end; what they take out is hidden in place."""
        mask = self._mask(rules)
        if mask is not None:
            scores[0, ~mask] = -np.inf
        caps = [r.max_per_category for r in rules if r.max_per_category is not None]
        found = self.assortment.arranged(scores, k, ties, pinned, min(caps, default=None))
        return np.concatenate([found, np.full(k - len(found), UNKNOWN, dtype=found.dtype)])

    def _scores(self, asked: RequestGroup) -> tuple[np.ndarray, list[RecommendServed]]:
        """Scores that may be changed, and the rung that each request was served from."""
        n = asked.histories.n_users
        last: RecommendServed = (
            "not_personalised" if asked.way == "nobody" else "popularity_fallback"
        )
        served, left = [last] * n, np.arange(n)
        told = (asked.histories.lengths > 0) | (asked.way in ("known", "item"))
        scores: np.ndarray | None = None
        for rung, score in self._rungs(asked):
            given = score(left)
            found, lost = fill_unscored(given, self.fallback)
            if scores is None:
                scores = found.copy() if np.may_share_memory(found, given) else found
            else:
                scores[left[~lost]] = found[~lost]
            for row in left[~lost].tolist():
                served[row] = rung if told[row] else last
            left = left[lost]
            if not len(left):
                break
        if scores is None:
            scores = np.tile(np.asarray(self.fallback, dtype=np.float32), (n, 1))
        return scores, served

    def _rungs(self, asked: RequestGroup) -> list[tuple[RecommendServed, Score]]:
        """What is tried, in this order, before popularity."""
        histories = asked.histories

        def by(scorer: Any, of: Histories) -> Score:
            return lambda rows: scorer.score(of if len(rows) == of.n_users else of.select(rows))

        if asked.way == "known":
            return [("known", by(self.scorer, histories))]
        if asked.way == "nobody":
            return []
        rungs: list[tuple[RecommendServed, Score]] = []
        if asked.way == "item":
            codes = histories.padded(1)[:, 0]
            if hasattr(self.scorer, "similar"):
                rungs.append(("similar_items", self._like(self.scorer, codes)))
            if self.content is not None:
                rungs.append(("content", self._like(self.content, codes)))
            if self.catalogue.category is not None:
                rungs.append(("category_popularity", self._in_category(codes)))
            return rungs
        rungs.append(
            ("basket" if asked.way == "basket" else "folded_in", by(self.scorer, histories))
        )
        if asked.way == "basket" and hasattr(self.scorer, "similar"):
            rungs.append(("basket", self._like_all(histories)))
        if self.content is not None:
            rungs.append(("content", by(self.content, latest_baskets(histories, 1))))
        return rungs

    def _like_all(self, histories: Histories) -> Score:
        """What the model takes for like the items of each basket, on average; NaN rows: nothing."""

        def score(rows: np.ndarray) -> np.ndarray:
            pairs = histories.select(rows).matrix()
            items = np.unique(pairs.indices)
            each = self._like(self.scorer, items)(np.arange(len(items)))
            known = ~np.isnan(each[:, :1])
            counts = pairs[:, items] @ known.astype(np.float32)
            found = pairs[:, items] @ np.where(known, each, 0)
            return np.where(counts > 0, found / np.maximum(counts, 1), np.nan)

        return score

    def _like(self, scorer: Any, codes: np.ndarray) -> Score:
        """What `scorer` takes for like each item, then the others by popularity; NaN rows: nothing.

        Of items that nobody ever had only a scorer that reads content knows anything.
        """
        reads = scorer is self.content or getattr(scorer, "reads_content", False)
        had = None if reads else self.fallback > 0

        def score(rows: np.ndarray) -> np.ndarray:
            wanted = codes[rows]
            known = (wanted != UNKNOWN) & (had[wanted] if had is not None else True)
            out = np.full((len(rows), len(self.catalogue)), np.nan, dtype=np.float32)
            if known.any():
                found = scorer.similar(wanted[known])
                near = found != 0 if had is None else (found != 0) & had
                out[known] = np.where(near | np.isnan(found), found, self._shares - 2)
            return out

        return score

    def _in_category(self, codes: np.ndarray) -> Score:
        """Popular items, those of each item's category first; NaN rows: it has none."""
        groups = self.assortment.groups

        def score(rows: np.ndarray) -> np.ndarray:
            own = np.where(codes[rows] == UNKNOWN, UNKNOWN, groups[codes[rows]])
            out = (self._shares + (groups == own[:, None])).astype(np.float32)
            out[own == UNKNOWN] = np.nan
            return out

        return score

    @cached_property
    def _shares(self) -> np.ndarray:
        """The fallback's scores within 0 ... 1, 1 left out."""
        low, high = (f(self.fallback, initial=0.0) for f in (np.min, np.max))
        return ((self.fallback - low) / (high - low + 1)).astype(np.float32)

    @cached_property
    def assortment(self) -> Assortment:
        """The catalogue as rules see it."""
        return Assortment(self.catalogue)

    def _hidden(self, asked: RequestGroup) -> tuple[np.ndarray, np.ndarray]:
        """Rows and codes of what is seen, excluded or asked about, sorted by row."""
        histories = asked.histories
        parts = [(row, self.assortment.codes(r.exclude)) for row, r in enumerate(asked.requests)]
        rows = [np.full(len(codes), row) for row, codes in parts]
        items = [codes for _, codes in parts]
        if asked.way in ("item", "basket"):
            rows, items = [*rows, histories.rows], [*items, histories.items]
        elif asked.way != "nobody":
            policies = np.array([r.filter_seen or self.filter_seen for r in asked.requests])
            for policy in np.unique(policies):
                own = np.flatnonzero(policies == policy)
                seen = seen_items(histories.select(own), str(policy))
                if seen is not None:
                    rows, items = (
                        [*rows, np.repeat(own, np.diff(seen.indptr))],
                        [*items, seen.indices],
                    )
        of = np.concatenate([*rows, np.zeros(0)]).astype(np.int64)
        codes = np.concatenate([*items, np.zeros(0)]).astype(np.int64)
        order = np.argsort(of, kind="stable")
        return of[order], codes[order]

    def _reasons(
        self,
        asked: RequestGroup,
        items: np.ndarray,
        values: np.ndarray,
        served: list[RecommendServed],
        pinned: Sequence[np.ndarray],
    ) -> list[list[str | None]]:
        """Why each item is listed, where that can be told.

        On the page of an item only what is like it is there because of it, not the popular items
        behind.
        """
        causes = np.full(items.shape, UNKNOWN, dtype=np.int32)
        for rung in {s for s in served if s in WITH_REASONS}:
            rows = np.flatnonzero([s == rung for s in served])
            histories = asked.histories.select(rows)
            scorer = self.content if rung == "content" else self.scorer
            if asked.way == "item":
                causes[rows] = np.where(values[rows] > 0, histories.padded(1), UNKNOWN)
            elif hasattr(scorer, "because"):
                of = latest_baskets(histories, 1) if rung == "content" else histories
                causes[rows] = scorer.because(of, items[rows])
        names = self.catalogue.item_ids
        reasons = []
        for row, listed in enumerate(items.tolist()):
            own, first = causes[row].tolist(), set(pinned[row].tolist())
            reasons.append(
                [
                    "pinned" if i in first else f"because of {names[c]}" if c != UNKNOWN else None
                    for i, c in zip(listed, own, strict=True)
                ]
            )
        return reasons

    def _names(self, items: np.ndarray) -> list[str]:
        """Raw ids of the items that are listed."""
        names: list[str] = self.catalogue.item_ids[items[items != UNKNOWN]].tolist()
        return names

    def _named(
        self, items: np.ndarray, scores: np.ndarray, reasons: list[str | None]
    ) -> list[RankedItem]:
        """One list with raw item ids."""
        given = [None if v <= UNSCORED else v for v in scores.tolist()]
        places = zip(self._names(items), given, reasons, strict=False)  # the end may be empty
        return [RankedItem(i, v, rank, why) for rank, (i, v, why) in enumerate(places, start=1)]


def request_kind(request: RecommendRequest, place: int) -> RequestKind:
    """What decides on the list; see `RecommendRequest`. `place` is the user's row of the state."""
    if request.item is not None:
        return "item"
    if not request.personalised:
        return "nobody"
    if request.basket is not None:
        return "basket"
    return "known" if request.history is None and place != UNKNOWN else "history"


def needs_profile(request: RecommendRequest) -> bool:
    """Whether a stored customer may have to be looked up to answer."""
    return request_kind(request, 0) == "known"


def _given(way: RequestKind, request: RecommendRequest) -> list[str]:
    """The items that a request of this way is about."""
    if way == "item":
        return [request.item or ""]
    if way == "nobody":
        return []
    return list((request.basket if way == "basket" else request.history) or ())
