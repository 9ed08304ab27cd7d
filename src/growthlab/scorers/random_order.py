"""A random but repeatable score for every user and item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.core.histories import Histories
from growthlab.core.seeding import hash_ids, mix_hashes

BLOCK_ENTRIES = 4_000_000


@dataclass(frozen=True)
class RandomOrder:
    """A hash of the seed and the raw user and item ids, in ``[0, 1)``: independent of internal codes.

    Requests without a user id all get the same random list.
    """

    kind: ClassVar[str] = "random_order"
    schema: ClassVar[Schema] = {
        "seed": ArraySchema(dtypes=("int64",)),
        "item_keys": ArraySchema(dtypes=("uint64",), shape=("n_items",)),
    }

    seed: int
    item_keys: np.ndarray  # (n_items,) uint64

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        item_keys = self.item_keys if items is None else self.item_keys[items]
        user_keys = mix_hashes(
            hash_ids(histories.user_ids), np.array([self.seed]).astype(np.uint64)
        )
        out = np.empty((len(user_keys), len(item_keys)), dtype=np.float32)
        height = max(1, BLOCK_ENTRIES // max(len(item_keys), 1))
        for first in range(0, len(user_keys), height):
            keys = mix_hashes(user_keys[first : first + height, None], item_keys)
            # 24 bits: all that a float32 in [0, 1) holds exactly
            out[first : first + height] = (keys >> np.uint64(40)) * np.float32(2**-24)
        return out

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The seed and the items' hashes."""
        return {"seed": np.array(self.seed, dtype=np.int64), "item_keys": self.item_keys}

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        return cls(int(arrays["seed"]), arrays["item_keys"])
