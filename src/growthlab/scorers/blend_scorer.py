"""Several scorers fused into one by the ranks that they give to an item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import FLOAT, LARGEST, NUMBER, ArraySchema, Schema
from growthlab.core.histories import Histories
from growthlab.scorers.fusion import (
    CONSTANT,
    HybridMembers,
    fuse_scores,
    ranks_of,
    reciprocal_ranks,
)
from growthlab.scorers.nested_scorers import nested_schema


@dataclass(frozen=True)
class BlendScorer:
    """``score(u, j) = sum over members of weight / (constant + rank of j in the member's list)``.

    The weights sum to 1. The weight of a member that cannot score a user is shared among the others;
    a user whom no member can score is a NaN row, an item that none can score is ``-inf``.
    """

    kind: ClassVar[str] = "blend"
    schema: ClassVar[Schema] = {
        "weights": ArraySchema(dtypes=FLOAT, shape=("n_members",), low=0),
        "constant": ArraySchema(dtypes=NUMBER, low=1e-9, high=LARGEST),
        **nested_schema(),
    }

    members: HybridMembers
    weights: np.ndarray  # (n_members,) float64
    constant: float = CONSTANT

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores, shape ``(n_users, n_items)`` or ``(n_users, len(items))``, float32."""
        columns = slice(None) if items is None else items
        width = histories.n_items if items is None else len(items)
        out = np.empty((histories.n_users, width), dtype=np.float32)
        for rows, _, scores in self.members.blocks(histories):
            ranks = np.stack([ranks_of(s) for s in scores])
            block = fuse_scores(reciprocal_ranks(ranks, self.constant), self.weights)
            block[(np.isposinf(ranks) | np.isnan(ranks)).all(axis=0) & ~np.isnan(block)] = -np.inf
            out[rows] = block[:, columns]
        return out

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The weights, and the arrays of the members."""
        own = {"weights": self.weights, "constant": np.array(self.constant)}
        return {**own, **self.members.to_arrays()}

    def to_files(self) -> dict[str, bytes]:
        """The members' files."""
        return self.members.to_files()

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        members = HybridMembers.load(arrays, files)
        return cls(members, arrays["weights"], float(arrays["constant"]))
