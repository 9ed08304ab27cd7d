"""Factors of rows by a ridge regression each, solved or improved, many rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.core.processors import n_threads

BLOCK_ENTRIES = 4_000_000  # numbers of the gathered factors of one block
CACHED_ENTRIES = 300_000  # of a block that is read several times


class Turned(NamedTuple):
    """Factors in other coordinates, with a row of padding behind; the axes, and what these weigh."""

    factors: np.ndarray  # (n + 1, width) float32
    axes: np.ndarray  # (width, width) float32
    values: np.ndarray  # (width,) float64, 0 or more


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

    def solve(
        self, pairs: csr_matrix, factors: np.ndarray, turned: Turned | None = None
    ) -> np.ndarray:
        """The factors of each row of `pairs` (its pattern counts), ``(n_rows, width)``, float32.

        `turned` is what `turn` gives of the factors, for those who ask again and again. A row
        without pairs is zero. In the coordinates in which ``unseen H'H`` is diagonal, a row
        costs a system as large as its pairs, or as the width where that is smaller.
        """
        lengths, width = np.diff(pairs.indptr), factors.shape[1]
        there = turned or self.turn(factors)
        penalties = self._weights(lengths, there)
        out = np.zeros((pairs.shape[0], width), dtype=np.float32)
        for rows in _blocks(
            lengths, lambda longest: BLOCK_ENTRIES // (width * max(longest, width))
        ):
            near = there.factors[_padded(pairs, rows, len(factors))]  # (B, L, D)
            small = near.shape[1] < near.shape[2]
            out[rows] = (_dual if small else _primal)(near, penalties[rows])
        return out @ there.axes.T

    def improve(
        self, pairs: csr_matrix, factors: np.ndarray, start: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Bring each row from `start` near to what `solve` gives, at a small part of its cost.

        One step of preconditioned conjugate gradients (Takács, Pilászy & Tikk, RecSys 2011). The
        preconditioner is about the diagonal in the coordinates of `solve`, where that is most of
        the system; after some alternations the objective is as low as with exact solves. The
        second value is the sum over the rows of what they minimise. Threads share the rows, as
        many as OMP_NUM_THREADS says, and change no number.
        """
        lengths, width = np.diff(pairs.indptr), factors.shape[1]
        there = self.turn(factors)
        turned, axes, penalties = there.factors, there.axes, self._weights(lengths, there)
        counts = np.bincount(pairs.indices, minlength=len(factors)).astype(np.float32)
        squares = counts @ turned[:-1] ** 2 / max(pairs.nnz, 1)  # of the factors of a pair
        out = np.zeros((pairs.shape[0], width), dtype=np.float32)
        begun = np.asarray(start @ axes, dtype=np.float32)

        def improved(rows: np.ndarray) -> float:
            near = turned[_padded(pairs, rows, len(factors))]  # (B, L, D)
            diagonal = penalties[rows] + lengths[rows, None] * squares
            out[rows], minimised = _closer(begun[rows], near, penalties[rows], diagonal)
            return float(lengths[rows].sum() + minimised.sum(dtype=np.float64))

        blocks = _blocks(lengths, lambda longest: CACHED_ENTRIES // (width * longest))
        with ThreadPoolExecutor(n_threads()) as pool:
            cost = sum(pool.map(improved, blocks))
        return out @ axes.T, cost

    def turn(self, factors: np.ndarray) -> Turned:
        """The factors in the coordinates in which ``unseen H'H`` is diagonal."""
        values, axes = np.linalg.eigh(self.unseen * (factors.T @ factors).astype(np.float64))
        axes = axes.astype(np.float32)
        n, width = factors.shape
        turned = np.zeros((n + 1, width), dtype=np.float32)
        np.matmul(factors, axes, out=turned[:n])
        return Turned(turned, axes, np.maximum(values, 0))

    def _weights(self, lengths: np.ndarray, turned: Turned) -> np.ndarray:
        """Each row's weights of its squared coordinates, float32."""
        penalties = self.penalties(lengths, len(turned.factors) - 1)[:, None]
        return (turned.values + penalties).astype(np.float32)

    def penalties(self, lengths: np.ndarray, n_others: int) -> np.ndarray:
        """The weight of each row's ``|w|^2``, float64."""
        return self.l2 * (lengths + self.unseen * n_others) ** self.frequency


def _closer(
    w: np.ndarray, near: np.ndarray, penalty: np.ndarray, diagonal: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`w` one step nearer to the solution of ``(N'N + penalty) w = N' 1``, `near` being N.

    `diagonal` is about that of the system. The second value is what a row minimises, but for the
    number of its pairs.
    """
    scores = near @ w[:, :, None]  # (B, L, 1)
    left = _onto(1 - scores, near) - penalty * w
    direction = left / diagonal
    change = near @ direction[:, :, None]
    image = _onto(change, near) + penalty * direction
    gain, curve = ((direction * v).sum(axis=1, keepdims=True) for v in (left, image))
    pace = np.divide(gain, curve, out=np.zeros_like(gain), where=curve > 0)
    w, left, scores = w + pace * direction, left - pace * image, scores + pace[..., None] * change
    return w, -scores.sum(axis=(1, 2)) - (left * w).sum(axis=1)


def _onto(of_pairs: np.ndarray, near: np.ndarray) -> np.ndarray:
    """``N' x`` of each row, ``(B, L, 1), (B, L, D) -> (B, D)``."""
    product: np.ndarray = (of_pairs.transpose(0, 2, 1) @ near)[:, 0]
    return product


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


def _blocks(lengths: np.ndarray, n_rows: Callable[[int], int]) -> list[np.ndarray]:
    """The rows that have pairs, in groups of similar length; `n_rows` of a length fit together."""
    order = np.argsort(-lengths, kind="stable")
    order = order[: np.count_nonzero(lengths)]
    blocks = []
    while len(order):
        longest = int(lengths[order[0]])
        similar = int((lengths[order[: max(1, n_rows(longest))]] > 0.7 * longest).sum())
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
