"""What a bundle is asked and what it answers, to the service, a batch job and the pyfunc alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from growthlab.core.errors import BundleError, near_matches
from growthlab.core.histories import UNKNOWN, Catalogue, Histories
from growthlab.ranking.candidates import SEEN_EVENTS, hide_seen, seen_items
from growthlab.ranking.fallback import fill_unscored
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import top_k
from growthlab.scorers.base import RowScorer, Scorer

Features = Mapping[str, float | int | bool | str | None]
RecommendServed = Literal["known", "folded_in", "popularity_fallback"]
PredictServed = Literal["known", "features", "population_fallback"]

BLOCK_MB = 128  # of scores held at once
BYTES_AN_ITEM = 16  # a score, its copies and the places of a partition
NOBODY = np.zeros(0, dtype=str)


@dataclass(frozen=True)
class RecommendRequest:
    """Who wants a list: a user the bundle may know, a history of item ids, oldest first, or nobody.

    A history given with the request is taken instead of the stored one, and counts as purchases.
    Items of `exclude` are not listed; `filter_seen` overrides the task's policy.
    """

    user_id: str | None = None
    history: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    filter_seen: str | None = None


class RankedItem(NamedTuple):
    """A place in a list; scores are comparable within one list only."""

    item: str
    score: float
    rank: int  # from 1


@dataclass(frozen=True)
class Recommendation:
    """A list, best first, shorter than asked only where no more items may be listed.

    `served`: ``known``, from the stored history; ``folded_in``, by the model from what the request
    gave; ``popularity_fallback``, where the model cannot score this customer. `n_unknown_items` of
    the request's history were ignored, not being in the catalogue.
    """

    items: list[RankedItem]
    served: RecommendServed
    n_unknown_items: int = 0


@dataclass(frozen=True)
class PredictRequest:
    """Whose future is asked for: a user the bundle may know, or features by name.

    Features given with the request are taken instead of the stored ones.
    """

    user_id: str | None = None
    features: Features | None = None


@dataclass(frozen=True)
class Prediction:
    """A probability of churn, or a value in the horizon.

    `served`: ``known``, from the stored features; ``features``, from the request's;
    ``population_fallback``, the mean of all customers, where nothing is known of this one.
    """

    value: float
    served: PredictServed


@dataclass(frozen=True)
class ListMaker:
    """Makes lists for requests: the same scorer, masks, ties and fallback as the evaluation had."""

    scorer: Scorer
    catalogue: Catalogue
    fallback: np.ndarray  # (n_items,) scores that stand in for the model's
    seed: int
    filter_seen: str
    item_hashes: np.ndarray
    state: Histories | None = None  # of known users; user_ids are pseudonyms, sorted

    @classmethod
    def of(
        cls,
        scorer: Scorer,
        catalogue: Catalogue,
        fallback: np.ndarray,
        seed: int,
        filter_seen: str,
        state: Histories | None = None,
    ) -> ListMaker:
        """A list maker; the hashes of the ties are made once."""
        hashes = TieBreak.of(NOBODY, catalogue.item_ids, seed).item_hashes
        return cls(scorer, catalogue, fallback, seed, filter_seen, hashes, state)

    def lists(
        self, requests: Sequence[RecommendRequest], places: np.ndarray, k: int
    ) -> list[Recommendation]:
        """A list of at most `k` items a request; `places` are rows of the state or `UNKNOWN`."""
        if k < 1:
            raise BundleError(f"k must be at least 1, got {k}")
        size = max(1, BLOCK_MB * 2**20 // (max(len(self.catalogue), 1) * BYTES_AN_ITEM))
        answers: dict[int, Recommendation] = {}
        stored = np.array([r.history is None for r in requests], dtype=bool) & (places != UNKNOWN)
        for known in (True, False):
            rows = np.flatnonzero(stored == known)
            for start in range(0, len(rows), size):
                block = rows[start : start + size]
                asked = [requests[r] for r in block]
                given = self._block(asked, places[block] if known else None, k)
                answers.update(zip(block.tolist(), given, strict=True))
        return [answers[i] for i in range(len(requests))]

    def _block(
        self, requests: list[RecommendRequest], places: np.ndarray | None, k: int
    ) -> list[Recommendation]:
        """The lists of some requests, all with a stored history or all without."""
        user_ids = np.array([r.user_id or "" for r in requests], dtype=str)
        if places is not None:
            assert self.state is not None
            histories = self.state.select(places)
            n_unknown = np.zeros(len(requests), dtype=int)
        else:
            given = [list(r.history or ()) for r in requests]
            histories = Histories.from_lists(self.catalogue, given)
            n_unknown = np.array([len(g) for g in given], dtype=int) - histories.lengths
        histories = _renamed(histories, user_ids)
        given_scores = self.scorer.score(histories)
        scores, fallback = fill_unscored(given_scores, self.fallback)
        scores = scores.copy() if np.may_share_memory(scores, given_scores) else scores
        self._hide(scores, histories, requests)
        ties = TieBreak(TieBreak.of(user_ids, NOBODY, self.seed).user_hashes, self.item_hashes)
        items, values = top_k(scores, min(k, max(len(self.catalogue), 1)), ties)
        by_model: RecommendServed = "folded_in" if places is None else "known"
        return [
            Recommendation(
                self._named(items[row], values[row]),
                "popularity_fallback" if fallback[row] else by_model,
                int(n_unknown[row]),
            )
            for row in range(len(requests))
        ]

    def _hide(
        self, scores: np.ndarray, histories: Histories, requests: list[RecommendRequest]
    ) -> None:
        """Take what is excluded or seen out of the running, in place."""
        policies = np.array([r.filter_seen or self.filter_seen for r in requests])
        for policy in np.unique(policies):
            if policy not in SEEN_EVENTS:
                raise BundleError(f"filter_seen={policy}: {near_matches(policy, SEEN_EVENTS)}")
            rows = np.flatnonzero(policies == policy)
            part = scores[rows]
            hide_seen(part, seen_items(histories.select(rows), str(policy)))
            scores[rows] = part
        for row, request in enumerate(requests):
            if request.exclude:
                codes = self.catalogue.codes(list(request.exclude))
                scores[row, codes[codes != UNKNOWN]] = -np.inf

    def _named(self, items: np.ndarray, scores: np.ndarray) -> list[RankedItem]:
        """One list with raw item ids."""
        listed = items != UNKNOWN
        names = self.catalogue.item_ids[items[listed]].tolist()
        pairs = zip(names, scores[listed].tolist(), strict=True)
        return [RankedItem(name, score, rank) for rank, (name, score) in enumerate(pairs, start=1)]


@dataclass(frozen=True)
class Predictor:
    """Predicts one number a request, from stored features, given ones, or none."""

    scorer: RowScorer
    base: float  # the mean of the population
    table: Mapping[str, np.ndarray] | None = None  # of known customers, one array a column
    texts: frozenset[str] = frozenset()  # the columns that hold names, not numbers

    def predictions(
        self, requests: Sequence[PredictRequest], places: np.ndarray
    ) -> list[Prediction]:
        """A prediction for each request; `places` are rows of the table or `UNKNOWN`."""
        given = np.array([bool(r.features) for r in requests], dtype=bool)
        known = ~given & (places != UNKNOWN)
        values = np.full(len(requests), self.base)
        if known.any():
            assert self.table is not None
            rows = places[known]
            values[known] = self.scorer.predict({c: v[rows] for c, v in self.table.items()})
        if given.any():
            features = [r.features or {} for r in requests if r.features]
            values[given] = self.scorer.predict(self._columns(features))
        served = np.where(known, "known", np.where(given, "features", "population_fallback"))
        return [Prediction(v, s) for v, s in zip(values.tolist(), served.tolist(), strict=True)]

    def _columns(self, features: Sequence[Features]) -> dict[str, np.ndarray]:
        """One array a column, NaN or an empty text where a request does not give the feature."""
        for name in {n for row in features for n in row}:
            if name not in self.scorer.columns:
                possible = near_matches(name, self.scorer.columns)
                raise BundleError(f"the model has no feature {name}: {possible}")
        columns: dict[str, np.ndarray] = {}
        for name in self.scorer.columns:
            values = [row.get(name) for row in features]
            if name in self.texts:
                columns[name] = np.array(["" if v is None else str(v) for v in values], dtype=str)
            else:
                columns[name] = np.array([_number(name, v) for v in values], dtype=np.float64)
        return columns


def _number(name: str, value: float | int | bool | str | None) -> float:
    """A feature that is a number; NaN where it is not known."""
    if value is None:
        return np.nan
    if isinstance(value, str):
        raise BundleError(f"feature {name} is a number, got {value[:40]!r}")
    return float(value)


def _renamed(histories: Histories, user_ids: np.ndarray) -> Histories:
    """The same histories under the ids asked for, not pseudonyms: the ids order ties."""
    return replace(histories, user_ids=user_ids)
