"""The best items by a product of vectors, in a large catalogue: blocks of items, or an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from growthlab.core.histories import UNKNOWN
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import merge_lists, top_k

TILE = 32_768  # items whose scores are held together
DEEPER = 4  # candidates for each place of a list

Hidden = tuple[np.ndarray, np.ndarray]  # rows and item codes, sorted by row
Lists = tuple[np.ndarray, np.ndarray]  # item codes and scores, ``(n_users, k)``


@dataclass(frozen=True)
class NearestQuery:
    """Whose nearest items are searched for, a row a user.

    `hidden` are pairs of a row and an item that are not listed; nor are the items outside a row's
    mask (None: every item is inside).
    """

    users: np.ndarray  # (n_users, width) float32
    hashes: np.ndarray  # order the ties
    hidden: Hidden
    masks: Sequence[np.ndarray | None]

    def select(self, rows: np.ndarray) -> NearestQuery:
        """Some of the rows, which are given in ascending order."""
        inside = np.isin(self.hidden[0], rows)
        hidden = np.searchsorted(rows, self.hidden[0][inside]), self.hidden[1][inside]
        masks = [self.masks[row] for row in rows.tolist()]
        return NearestQuery(self.users[rows], self.hashes[rows], hidden, masks)


@dataclass(frozen=True)
class NearestItems:
    """Lists of the items with the largest ``users @ vectors.T``.

    Without an index they are exact, a block of items at a time. With an index its candidates are
    scored exactly; a list that they do not fill is made without the index.
    """

    vectors: np.ndarray  # (n_items, width) float32
    item_hashes: np.ndarray
    index: Any = None  # an `ItemIndex`

    def lists(self, query: NearestQuery, k: int) -> Lists:
        """At most `k` items a user, best first, -1 (score ``-inf``) behind the end of a list."""
        users, hidden = query.users, query.hidden
        items = np.full((len(users), k), UNKNOWN, dtype=np.int32)
        values = np.full((len(users), k), -np.inf, dtype=np.float32)
        ends = np.searchsorted(hidden[0], np.arange(len(users) + 1))
        left = np.arange(len(users))
        if self.index is not None:
            own = [hidden[1][ends[row] : ends[row + 1]] for row in left]
            n_candidates = DEEPER * k + max((len(codes) for codes in own), default=0)
            candidates = self.index.search(users, min(n_candidates, len(self.vectors)))
            for row in left.tolist():
                ties = TieBreak(query.hashes[row : row + 1], self.item_hashes)
                codes = _listable(candidates[row], own[row], query.masks[row])
                items[row], values[row] = self._among(codes, users[row], k, ties)
            left = left[items[:, -1] == UNKNOWN]
        if len(left):
            items[left], values[left] = self._tiled(query.select(left), k)
        return items, values

    def _among(self, codes: np.ndarray, user: np.ndarray, k: int, ties: TieBreak) -> Lists:
        """The best of a user's candidates."""
        items = np.full(k, UNKNOWN, dtype=np.int32)
        values = np.full(k, -np.inf, dtype=np.float32)
        if len(codes):
            among = TieBreak(ties.user_hashes, ties.item_hashes[codes])
            places, best = top_k((self.vectors[codes] @ user)[None], min(k, len(codes)), among)
            items[: len(best[0])] = np.where(places[0] == UNKNOWN, UNKNOWN, codes[places[0]])
            values[: len(best[0])] = best[0]
        return items, values

    def _tiled(self, query: NearestQuery, k: int) -> Lists:
        """The exact lists, by one block of items after the other."""
        ties, best = TieBreak(query.hashes, self.item_hashes), None
        rows, codes = query.hidden
        for start in range(0, len(self.vectors), TILE):
            tile = slice(start, min(start + TILE, len(self.vectors)))
            scores = query.users @ self.vectors[tile].T
            here = (codes >= tile.start) & (codes < tile.stop)
            scores[rows[here], codes[here] - start] = -np.inf
            for row, mask in enumerate(query.masks):
                if mask is not None:
                    scores[row, ~mask[tile]] = -np.inf
            places, values = top_k(scores, k, ties.for_items(tile))
            listed = np.where(places == UNKNOWN, UNKNOWN, places + start), values
            best = listed if best is None else merge_lists(best, listed, ties)
        assert best is not None
        return best


def _listable(codes: np.ndarray, hidden: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """The candidates that may be listed."""
    kept = (codes != UNKNOWN) & ~np.isin(codes, hidden)
    if mask is not None:
        kept &= mask[codes]
    return codes[kept]
