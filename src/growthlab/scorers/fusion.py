"""Fusion of the lists of several models, by ranks instead of scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from growthlab.core.histories import Histories
from growthlab.scorers.nested_scorers import files_of_members, load_nested, nested_arrays

BLOCK_ENTRIES = 1_000_000  # users x items of one member at a time
NOISE = np.uint32(1 << 5)  # the last 5 of the 24 bits of a float32
CONSTANT = 60.0  # of reciprocal rank fusion, as in the paper


class Scores(Protocol):
    """Anything that scores: a fitted recommender in the laboratory, its scorer in a bundle."""

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """See `growthlab.scorers.base.Scorer.score`."""
        ...


@dataclass(frozen=True)
class HybridMembers:
    """The fitted models of a hybrid, by name."""

    by_name: Mapping[str, Scores]

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the members."""
        return tuple(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def blocks(self, histories: Histories) -> Iterator[tuple[np.ndarray, Histories, np.ndarray]]:
        """Rows of users, their histories, and each member's scores of all items.

        The scores have the shape ``(n_members, n_rows, n_items)`` and rounded (`round_off_noise`).
        """
        height = max(1, BLOCK_ENTRIES // max(histories.n_items, 1))
        for first in range(0, histories.n_users, height):
            rows = np.arange(first, min(first + height, histories.n_users))
            block = histories.select(rows)
            yield (
                rows,
                block,
                np.stack([round_off_noise(m.score(block)) for m in self.by_name.values()]),
            )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The names, and each member's kind and arrays under ``<name>/``."""
        return nested_arrays(self._scorers)

    def to_files(self) -> dict[str, bytes]:
        """Each member's files, as ``<name>.<file>``."""
        return files_of_members(self._scorers)

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The members that `to_arrays` and `to_files` wrote."""
        return cls(load_nested(arrays, files, "score"))

    @property
    def _scorers(self) -> dict[str, Any]:
        return dict(self.by_name)


def round_off_noise(scores: np.ndarray) -> np.ndarray:
    """Scores rounded to 19 binary digits, float32: sums added in another order become equal.

    Otherwise such a difference would change the rank by a whole step.
    """
    bits = np.ascontiguousarray(scores, dtype=np.float32).view(np.uint32)
    return ((bits + NOISE // 2) & ~(NOISE - 1)).view(np.float32)


def ranks_of(scores: np.ndarray) -> np.ndarray:
    """The rank from 1 of each score in its row, best first, shape of `scores`, float32.

    Equal scores share the mean of their ranks. ``inf`` where an item cannot be scored (``-inf``),
    NaN where a user cannot.
    """
    n_items = scores.shape[1]
    if not scores.size:
        return np.zeros(scores.shape, dtype=np.float32)
    order = np.argsort(-scores, axis=1)
    ordered = np.take_along_axis(scores, order, axis=1)
    starts = np.ones(scores.shape, dtype=bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=starts[:, 1:])
    first = np.flatnonzero(starts)
    sizes = np.diff(first, append=ordered.size)
    ranks_of_groups = (first % n_items + (sizes + 1) / 2).astype(np.float32)
    ranks = np.empty(scores.shape, dtype=np.float32)
    np.put_along_axis(ranks, order, np.repeat(ranks_of_groups, sizes).reshape(scores.shape), axis=1)
    ranks[np.isneginf(scores)] = np.inf
    ranks[np.isnan(scores)] = np.nan
    return ranks


def reciprocal_ranks(ranks: np.ndarray, constant: float = CONSTANT) -> np.ndarray:
    """``1 / (constant + rank)``; 0 for an item that cannot be scored, NaN for such a user."""
    return (1 / (np.float32(constant) + ranks)).astype(np.float32)


def fuse_scores(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean of the members' values, ``(n_members, n, m)`` to ``(n, m)``.

    The weight of a member that cannot score a user (NaN) is shared among the others; if only members
    without weight can score it, they count equally. NaN where no member can.
    """
    can_score = ~np.isnan(values[:, :, :1])
    shares = can_score * (weights[:, None, None] + np.finfo(np.float32).tiny)
    total = shares.sum(axis=0)
    shares = shares / np.where(total > 0, total, 1)
    out = np.zeros(values.shape[1:], dtype=np.float64)
    for share, value in zip(shares, values, strict=True):
        out += share * np.where(np.isnan(value), 0, value)
    out[~can_score.any(axis=(0, 2))] = np.nan
    return out


def short_lists(ranks: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Whether an item is among the first `lengths` (one a user) of any member's list, ``(n, m)`` bool.

    A group of equal scores that crosses the border is in or out as a whole, by its mean rank.
    """
    return np.any(ranks <= lengths[:, None], axis=0)
