"""Factors of rows by one ridge solve each, many rows at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError

BLOCK_ENTRIES = 4_000_000  # numbers of the gathered factors of one block


@dataclass(frozen=True)
class Ridge:
    """What an unseen pair and large factors cost: the objective of alternating least squares.

    With the other side's factors H, the factors w of a row that has the set S minimise
    ``sum over S of (1 - w'h)^2 + unseen * sum over all of (w'h)^2 + l2 (|S| + unseen n)^frequency
    |w|^2``: with a `frequency` of 1 rows are regularised by how much they count, with 0 all alike
    (Rendle et al., RecSys 2022).
    """

    l2: float
    unseen: float
    frequency: float = 1.0

    def __post_init__(self) -> None:
        if not self.l2 > 0:
            raise ConfigError(f"model.l2 must be positive, got {self.l2}")
        if not self.unseen >= 0:
            raise ConfigError(f"model.unseen must be 0 or more, got {self.unseen}")
        if not 0 <= self.frequency <= 1:
            raise ConfigError(f"model.frequency must lie in 0 ... 1, got {self.frequency}")

    def solve(self, pairs: csr_matrix, factors: np.ndarray) -> np.ndarray:
        """The factors of each row of `pairs` (its pattern counts), ``(n_rows, width)``, float32.

        A row without pairs is zero. In the coordinates in which ``unseen H'H`` is diagonal, a row
        costs a system as large as its pairs, or as the width where that is smaller.
        """
        lengths = np.diff(pairs.indptr)
        values, axes = np.linalg.eigh(self.unseen * (factors.T @ factors).astype(np.float64))
        turned = (factors @ axes.astype(np.float32)).astype(np.float32)
        turned = np.vstack([turned, np.zeros((1, turned.shape[1]), dtype=np.float32)])  # padding
        penalties = np.maximum(values, 0) + self.penalties(lengths, len(factors))[:, None]
        out = np.zeros((pairs.shape[0], factors.shape[1]), dtype=np.float32)
        for rows in _blocks(lengths, factors.shape[1]):
            near = turned[_padded(pairs, rows, len(factors))]  # (B, L, D)
            penalty = penalties[rows].astype(np.float32)  # (B, D)
            out[rows] = (
                _dual(near, penalty) if near.shape[1] < near.shape[2] else _primal(near, penalty)
            )
        return out @ axes.T.astype(np.float32)

    def penalties(self, lengths: np.ndarray, n_others: int) -> np.ndarray:
        """The weight of each row's ``|w|^2``, float64."""
        return self.l2 * (lengths + self.unseen * n_others) ** self.frequency


def _dual(near: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """``w = D N' (I + N D N')^-1 1`` with ``D = 1 / penalty``, by the Woodbury identity."""
    scaled = near / penalty[:, None, :]
    system = scaled @ near.transpose(0, 2, 1)  # (B, L, L)
    system += np.eye(near.shape[1], dtype=np.float32)
    ones = np.ones((len(near), near.shape[1], 1), dtype=np.float32)
    return (scaled.transpose(0, 2, 1) @ np.linalg.solve(system, ones))[..., 0]


def _primal(near: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """``w = (N'N + penalty)^-1 N' 1``."""
    system = near.transpose(0, 2, 1) @ near  # (B, D, D)
    width = near.shape[2]
    system[:, np.arange(width), np.arange(width)] += penalty
    return np.linalg.solve(system, near.sum(axis=1)[..., None])[..., 0]


def _blocks(lengths: np.ndarray, width: int) -> list[np.ndarray]:
    """The rows that have pairs, in groups of similar length and bounded size."""
    order = np.argsort(-lengths, kind="stable")
    order = order[: np.count_nonzero(lengths)]
    blocks = []
    while len(order):
        longest = int(lengths[order[0]])
        fit = max(1, BLOCK_ENTRIES // (width * max(longest, width)))
        similar = int((lengths[order[:fit]] > 0.7 * longest).sum())
        blocks.append(order[:similar])
        order = order[similar:]
    return blocks


def _padded(pairs: csr_matrix, rows: np.ndarray, padding: int) -> np.ndarray:
    """The columns of each row, `padding` behind the shorter ones, ``(n_rows, longest)``."""
    starts, lengths = pairs.indptr[rows], np.diff(pairs.indptr)[rows]
    steps = np.arange(lengths.max())
    inside = steps < lengths[:, None]
    out = np.full(inside.shape, padding)
    out[inside] = pairs.indices[(starts[:, None] + steps)[inside]]
    return out
