"""The tie rule: equal scores are ordered by a seeded key of the raw ids, never by code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from growthlab.core.seeding import hash_ids, mix_hashes


@dataclass(frozen=True)
class TieBreak:
    """A pseudo-random key for each user and item; among equal scores the smaller key comes first.

    Codes often correlate with popularity or time, so that ties broken by code favour some models.
    The key depends on the seed and the raw ids alone: permuting rows or codes changes nothing.
    """

    user_hashes: np.ndarray  # (n_users,) uint64, the seed mixed in
    item_hashes: np.ndarray  # (n_items,) uint64

    @classmethod
    def of(cls, user_ids: np.ndarray, item_ids: np.ndarray, seed: int) -> Self:
        """The tie rule of these raw ids under `seed`."""
        seeded = mix_hashes(np.array([seed], dtype=np.int64).view(np.uint64), hash_ids(user_ids))
        return cls(seeded, hash_ids(item_ids))

    def keys(self, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The keys of user rows and item codes (which broadcast), uint64."""
        return mix_hashes(self.user_hashes[rows], self.item_hashes[items])

    def select(self, rows: np.ndarray | slice) -> Self:
        """The same rule for some of the users."""
        return type(self)(self.user_hashes[rows], self.item_hashes)

    def for_items(self, items: slice) -> Self:
        """The same rule for a slice of the items, whose codes then start at 0."""
        return type(self)(self.user_hashes, self.item_hashes[items])
