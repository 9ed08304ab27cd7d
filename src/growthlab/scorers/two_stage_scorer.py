"""Candidates from several scorers, re-ranked by trees on features of customer and item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

import numpy as np

from growthlab.core.array_schema import INDEX, MOST_NAMED, ArraySchema, Schema
from growthlab.core.histories import Histories
from growthlab.scorers.candidate_features import ItemFacts, feature_names, features
from growthlab.scorers.fusion import (
    HybridMembers,
    fuse_scores,
    ranks_of,
    reciprocal_ranks,
    short_lists,
)
from growthlab.scorers.lightgbm_text import checked_tree_text
from growthlab.scorers.nested_scorers import nested_schema

if TYPE_CHECKING:
    from lightgbm import Booster

FILE = "model.txt"
MANY = 20_000  # candidates from which several threads pay


class Candidates(NamedTuple):
    """The candidates of a block of users."""

    users: np.ndarray  # (n_block,) user rows
    rows: np.ndarray  # (n_candidates,) indices into `users`
    items: np.ndarray  # (n_candidates,)
    features: np.ndarray  # (n_candidates, n_features)
    order: np.ndarray  # (n_block, n_items) the members' fused scores; NaN row, -inf


@dataclass(frozen=True)
class TwoStageScorer:
    """The first `candidates` items of each member's list in the order of the trees, then the others.

    Items outside the candidates rank below all of them, in the order of the members' lists fused by
    rank with equal weights (`reciprocal_ranks`). A user whom no member can score is a NaN row, an item
    that no member can score ``-inf``. With `beyond_own` the customer's own items do not use up the
    candidates: for tasks that hide them.
    """

    kind: ClassVar[str] = "two_stage"
    schema: ClassVar[Schema] = {
        "candidates": ArraySchema(dtypes=INDEX, low=1, high=MOST_NAMED),
        "beyond_own": ArraySchema(dtypes=("bool",)),
        **ItemFacts.schema,
        **nested_schema(),
    }

    members: HybridMembers
    facts: ItemFacts
    candidates: int
    beyond_own: bool = False
    trees: str = field(default="", repr=False)  # LightGBM's text

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        columns = slice(None) if items is None else items
        width = histories.n_items if items is None else len(items)
        out = np.empty((histories.n_users, width), dtype=np.float32)
        for candidates in self.blocks(histories):
            block = _spread_below_zero(candidates.order)
            if len(candidates.rows):
                predicted = self._predicted(candidates.features)
                firsts = np.flatnonzero(np.diff(candidates.rows, prepend=-1))
                least = np.minimum.reduceat(predicted, firsts)
                block[candidates.rows[firsts]] += least[:, None] - 1
                block[candidates.rows, candidates.items] = predicted
            out[candidates.users] = block[:, columns]
        return out

    def blocks(self, histories: Histories) -> Iterator[Candidates]:
        """The candidates and their features, in blocks of users."""
        own = np.asarray(histories.matrix().sum(axis=1), dtype=np.int64).ravel()
        for users, block, scores in self.members.blocks(histories):
            ranks = np.stack([ranks_of(s) for s in scores])
            lengths = self.candidates + (own[users] if self.beyond_own else 0 * users)
            rows, items = np.nonzero(short_lists(ranks, lengths))
            candidate_ranks = ranks[:, rows, items]
            table = features(
                block,
                self.facts,
                rows,
                items,
                np.where(np.isfinite(candidate_ranks), candidate_ranks, np.nan),
                _shares(scores)[:, rows, items],
                candidate_ranks <= lengths[rows],
            )
            order = fuse_scores(reciprocal_ranks(ranks), np.ones(len(self.members)))
            unscored = (~np.isfinite(ranks)).all(axis=0) & ~np.isnan(order)
            order[unscored] = -np.inf
            yield Candidates(users, rows, items, table, order)

    @cached_property
    def booster(self) -> Booster:
        """The trees, parsed from their text."""
        from lightgbm import Booster

        return Booster(model_str=self.trees)

    def _predicted(self, table: np.ndarray) -> np.ndarray:
        threads = 1 if len(table) < MANY else 0  # 0: all
        return np.asarray(self.booster.predict(table, num_threads=threads), dtype=np.float64)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The facts, the length of the lists, and the arrays of the members."""
        own = {
            "candidates": np.array(self.candidates),
            "beyond_own": np.array(self.beyond_own),
        }
        return {**own, **self.facts.to_arrays(), **self.members.to_arrays()}

    def to_files(self) -> dict[str, bytes]:
        """The trees, and the members' files."""
        return {FILE: self.trees.encode(), **self.members.to_files()}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        members = HybridMembers.load(arrays, files)
        return cls(
            members,
            ItemFacts.from_arrays(arrays),
            int(arrays["candidates"]),
            bool(arrays["beyond_own"]),
            checked_tree_text(files[FILE], len(feature_names(members.names))),
        )


def _shares(scores: np.ndarray) -> np.ndarray:
    """Each score scaled to 0 ... 1 within its row; NaN where there is none."""
    known = np.where(np.isfinite(scores), scores, np.nan)
    filled = np.isnan(known).all(axis=-1, keepdims=True)
    safe = np.where(filled, 0, known)
    low, high = np.nanmin(safe, axis=-1, keepdims=True), np.nanmax(safe, axis=-1, keepdims=True)
    shares: np.ndarray = (known - low) / np.where(high > low, high - low, 1)
    return shares


def _spread_below_zero(order: np.ndarray) -> np.ndarray:
    """Scores from 0 down to -1 by the rank in each row, evenly spread so that float32 keeps them apart."""
    ranks = ranks_of(order.astype(np.float32))
    return np.where(np.isposinf(ranks), -np.inf, -ranks.astype(np.float64) / max(order.shape[1], 1))
