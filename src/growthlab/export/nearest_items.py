"""The best items by a product of vectors, in a large catalogue: blocks of items, or an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from growthlab.core.histories import UNKNOWN
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import merged, top_k

TILE = 32_768  # items whose scores are held together
DEEPER = 4  # candidates for each place of a list

Hidden = tuple[np.ndarray, np.ndarray]  # rows and item codes, sorted by row
Lists = tuple[np.ndarray, np.ndarray]  # item codes and scores, ``(n_users, k)``


@dataclass(frozen=True)
class NearestItems:
    """Lists of the items with the largest ``users @ vectors.T``.

    Without an index they are exact, a block of items at a time. With one its candidates are scored
    exactly; a list that they do not fill is made without the index.
    """

    vectors: np.ndarray  # (n_items, width) float32
    item_hashes: np.ndarray
    index: Any = None  # an `ItemIndex`

    def lists(
        self,
        users: np.ndarray,
        k: int,
        hashes: np.ndarray,
        hidden: Hidden,
        masks: Sequence[np.ndarray | None],
    ) -> Lists:
        """At most `k` items a user, best first, -1 (score ``-inf``) behind the end of a list.

        `hashes` order ties; neither the pairs `hidden` nor items outside a user's mask are listed.
        """
        items = np.full((len(users), k), UNKNOWN, dtype=np.int32)
        values = np.full((len(users), k), -np.inf, dtype=np.float32)
        ends = np.searchsorted(hidden[0], np.arange(len(users) + 1))
        left = np.arange(len(users))
        if self.index is not None:
            own = [hidden[1][ends[row] : ends[row + 1]] for row in left]
            most = DEEPER * k + max((len(codes) for codes in own), default=0)
            found = self.index.search(users, min(most, len(self.vectors)))
            for row in left.tolist():
                one = TieBreak(hashes[row : row + 1], self.item_hashes)
                codes = _without(found[row], own[row], masks[row])
                items[row], values[row] = self._among(codes, users[row], k, one)
            left = left[items[:, -1] == UNKNOWN]
        if len(left):
            inside = np.isin(hidden[0], left)
            places = np.searchsorted(left, hidden[0][inside]), hidden[1][inside]
            own_masks = [masks[row] for row in left.tolist()]
            items[left], values[left] = self._tiled(users[left], k, hashes[left], places, own_masks)
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

    def _tiled(
        self,
        users: np.ndarray,
        k: int,
        hashes: np.ndarray,
        hidden: Hidden,
        masks: Sequence[np.ndarray | None],
    ) -> Lists:
        """The exact lists, a block of items after the other."""
        ties, best = TieBreak(hashes, self.item_hashes), None
        for start in range(0, len(self.vectors), TILE):
            tile = slice(start, min(start + TILE, len(self.vectors)))
            scores = users @ self.vectors[tile].T
            here = (hidden[1] >= tile.start) & (hidden[1] < tile.stop)
            scores[hidden[0][here], hidden[1][here] - start] = -np.inf
            for row, mask in enumerate(masks):
                if mask is not None:
                    scores[row, ~mask[tile]] = -np.inf
            places, values = top_k(scores, k, ties.among(tile))
            listed = np.where(places == UNKNOWN, UNKNOWN, places + start), values
            best = listed if best is None else merged(best, listed, ties)
        assert best is not None
        return best


def _without(codes: np.ndarray, hidden: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """The candidates that may be listed."""
    kept = (codes != UNKNOWN) & ~np.isin(codes, hidden)
    if mask is not None:
        kept &= mask[codes]
    return codes[kept]
