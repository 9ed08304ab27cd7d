"""Factors of rows by a ridge regression each, solved or improved, many rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.core.processors import n_threads

BLOCK_ENTRIES = 4_000_000  # numbers of the gathered factors of one block
CACHED_ENTRIES = 300_000  # of a block that is read several times
STEPS = 2  # of conjugate gradients


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
        lengths, width = np.diff(pairs.indptr), factors.shape[1]
        turned, axes, penalties = self._turned(lengths, factors)
        out = np.zeros((pairs.shape[0], width), dtype=np.float32)
        for rows in _blocks(
            lengths, lambda longest: BLOCK_ENTRIES // (width * max(longest, width))
        ):
            near = turned[_padded(pairs, rows, len(factors))]  # (B, L, D)
            small = near.shape[1] < near.shape[2]
            out[rows] = (_dual if small else _primal)(near, penalties[rows])
        return out @ axes.T

    def improve(
        self, pairs: csr_matrix, factors: np.ndarray, start: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Bring each row from `start` to within rounding of what `solve` gives, at an eighth of its cost.

        By conjugate gradients (Takács, Pilászy & Tikk, RecSys 2011), preconditioned by the diagonal
        in the coordinates of `solve`, where it is most of the system: two steps then do what
        takes many without. The second value is the sum over the rows of what they minimise.
        Threads share the rows, as many as OMP_NUM_THREADS says, and change no number.
        """
        lengths, width = np.diff(pairs.indptr), factors.shape[1]
        turned, axes, penalties = self._turned(lengths, factors)
        sums = pairs @ turned[:-1]  # N' 1 of each row
        diagonals = pairs @ turned[:-1] ** 2 + penalties
        out = np.zeros((pairs.shape[0], width), dtype=np.float32)
        begun = np.asarray(start @ axes, dtype=np.float32)

        def improved(rows: np.ndarray) -> float:
            near = turned[_padded(pairs, rows, len(factors))]  # (B, L, D)
            system = _System(near, penalties[rows], diagonals[rows])
            out[rows], left = system.closer(begun[rows], sums[rows])
            minimised = lengths[rows] - ((sums[rows] + left) * out[rows]).sum(axis=1)
            return float(minimised.sum(dtype=np.float64))

        blocks = _blocks(lengths, lambda longest: CACHED_ENTRIES // (width * longest))
        with ThreadPoolExecutor(n_threads()) as pool:
            cost = sum(pool.map(improved, blocks))
        return out @ axes.T, cost

    def _turned(
        self, lengths: np.ndarray, factors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`factors` in the coordinates in which ``unseen H'H`` is diagonal, a row of padding behind.

        Beside them the axes, and each row's weights of its squared coordinates, all float32.
        """
        values, axes = np.linalg.eigh(self.unseen * (factors.T @ factors).astype(np.float64))
        axes = axes.astype(np.float32)
        padding = np.zeros((1, factors.shape[1]), dtype=np.float32)
        turned = np.vstack([(factors @ axes).astype(np.float32), padding])
        penalties = np.maximum(values, 0) + self.penalties(lengths, len(factors))[:, None]
        return turned, axes, penalties.astype(np.float32)

    def penalties(self, lengths: np.ndarray, n_others: int) -> np.ndarray:
        """The weight of each row's ``|w|^2``, float64."""
        return self.l2 * (lengths + self.unseen * n_others) ** self.frequency


@dataclass(frozen=True)
class _System:
    """``(N'N + penalty) w = N' 1`` of some rows, N being a row's own factors."""

    near: np.ndarray  # (B, L, D)
    penalty: np.ndarray  # (B, D)
    diagonal: np.ndarray  # (B, D) of the whole

    def __call__(self, w: np.ndarray) -> np.ndarray:
        """The left side."""
        scores = self.near @ w[:, :, None]  # (B, L, 1)
        return (scores.transpose(0, 2, 1) @ self.near)[:, 0] + self.penalty * w

    def closer(self, w: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`w` after a few steps of preconditioned conjugate gradients, and what then is left."""
        left = right - self(w)
        direction = left / self.diagonal
        size = (left * direction).sum(axis=1, keepdims=True)
        for _ in range(STEPS):
            image = self(direction)
            curve = (direction * image).sum(axis=1, keepdims=True)
            pace = np.divide(size, curve, out=np.zeros_like(size), where=curve > 0)
            w, left = w + pace * direction, left - pace * image
            scaled = left / self.diagonal
            before, size = size, (left * scaled).sum(axis=1, keepdims=True)
            turn = np.divide(size, before, out=np.zeros_like(size), where=before > 0)
            direction = scaled + turn * direction
        return w, left


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
