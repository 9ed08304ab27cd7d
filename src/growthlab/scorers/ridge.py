"""A ridge regression for the factors of each row, solved or improved for many rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.core.processors import in_threads

BLOCK_ENTRIES = 4_000_000  # numbers in the gathered factors of one block
CACHED_ENTRIES = 300_000  # the same for a block that is read several times


class DiagonalAxes(NamedTuple):
    """The coordinates in which ``unseen H'H`` is diagonal."""

    axes: np.ndarray  # (width, width) float32
    values: np.ndarray  # (width,) float64, the diagonal, 0 or more

    def rotate(self, factors: np.ndarray) -> np.ndarray:
        """Rows of H in these coordinates and a last row of padding, ``(n + 1, width)``, float32."""
        n, width = factors.shape
        rotated = np.zeros((n + 1, width), dtype=np.float32)
        np.matmul(factors, self.axes, out=rotated[:n])
        return rotated


@dataclass(frozen=True)
class Ridge:
    """The objective of alternating least squares: the costs of unseen pairs and of large factors.

    With the other side's factors H, the factors w of a row that has the set S minimise
    ``sum over S of (1 - w'h)^2 + unseen * sum over all of (w'h)^2 + l2 (|S| + unseen n)^frequency
    |w|^2``: with a `frequency` of 1 rows are regularised by their counts, with 0 all alike
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
        self, pairs: csr_matrix, factors: np.ndarray, diagonal: DiagonalAxes | None = None
    ) -> np.ndarray:
        """The factors of each row of `pairs` (a pattern), ``(n_rows, width)``, float32.

        `diagonal` is the result of `diagonalise`, to be kept between calls. A row without pairs is
        zero. In the diagonal coordinates a row needs a linear system of the size of its pairs, or
        of the width if that is smaller. Of `factors`, only the rows that occur in `pairs` are turned.
        """
        lengths, width = np.diff(pairs.indptr), factors.shape[1]
        diagonal = diagonal or self.diagonalise(factors)
        penalties = self._weights(lengths, len(factors), diagonal)
        used, places = np.unique(pairs.indices, return_inverse=True)
        rotated = diagonal.rotate(factors[used])
        out = np.zeros((pairs.shape[0], width), dtype=np.float32)

        def solve_rows(rows: np.ndarray) -> None:
            seen = rotated[_padded(places, pairs.indptr, rows, len(used))]  # (B, L, D)
            is_dual = seen.shape[1] < seen.shape[2]
            out[rows] = (_dual if is_dual else _primal)(seen, penalties[rows])

        in_threads(
            solve_rows,
            _blocks(lengths, lambda longest: BLOCK_ENTRIES // (width * max(longest, width))),
        )
        return out @ diagonal.axes.T

    def improve(
        self, pairs: csr_matrix, factors: np.ndarray, start: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Move each row from `start` towards the result of `solve`, at a fraction of its cost.

        One step of preconditioned conjugate gradients (Takács, Pilászy & Tikk, RecSys 2011). The
        preconditioner approximates the diagonal of the system in the coordinates of `solve`, where
        the diagonal dominates; after some alternations the objective is as low as with exact
        solves. The second value is the sum of the rows' objectives. Rows are shared among
        OMP_NUM_THREADS threads, whose number does not change the result.
        """
        lengths, width = np.diff(pairs.indptr), factors.shape[1]
        diagonal = self.diagonalise(factors)
        rotated, axes = diagonal.rotate(factors), diagonal.axes
        penalties = self._weights(lengths, len(factors), diagonal)
        counts = np.bincount(pairs.indices, minlength=len(factors)).astype(np.float32)
        squares = counts @ rotated[:-1] ** 2 / max(pairs.nnz, 1)  # mean squares of a pair's factors
        out = np.zeros((pairs.shape[0], width), dtype=np.float32)
        initial = np.asarray(start @ axes, dtype=np.float32)

        def improve_rows(rows: np.ndarray) -> float:
            seen = rotated[_padded(pairs.indices, pairs.indptr, rows, len(factors))]  # (B, L, D)
            preconditioner = penalties[rows] + lengths[rows, None] * squares
            out[rows], minimised = _conjugate_gradient_step(
                initial[rows], seen, penalties[rows], preconditioner
            )
            return float(lengths[rows].sum() + minimised.sum(dtype=np.float64))

        blocks = _blocks(lengths, lambda longest: CACHED_ENTRIES // (width * longest))
        cost = sum(in_threads(improve_rows, blocks))
        return out @ axes.T, cost

    def diagonalise(self, factors: np.ndarray) -> DiagonalAxes:
        """The coordinates in which ``unseen H'H`` is diagonal."""
        values, axes = np.linalg.eigh(self.unseen * (factors.T @ factors).astype(np.float64))
        return DiagonalAxes(axes.astype(np.float32), np.maximum(values, 0))

    def _weights(self, lengths: np.ndarray, n_others: int, diagonal: DiagonalAxes) -> np.ndarray:
        """Each row's weights of its squared coordinates, float32."""
        penalties = self.penalties(lengths, n_others)[:, None]
        return (diagonal.values + penalties).astype(np.float32)

    def penalties(self, lengths: np.ndarray, n_others: int) -> np.ndarray:
        """The weight of each row's ``|w|^2``, float64."""
        return self.l2 * (lengths + self.unseen * n_others) ** self.frequency


def _conjugate_gradient_step(
    w: np.ndarray, seen: np.ndarray, penalty: np.ndarray, preconditioner: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`w` moved one step towards the solution of ``(N'N + penalty) w = N' 1``, `seen` being N.

    The second value is each row's objective, without its constant (the number of its pairs).
    """
    scores = seen @ w[:, :, None]  # (B, L, 1)
    residual = _project(1 - scores, seen) - penalty * w
    direction = residual / preconditioner
    change = seen @ direction[:, :, None]
    image = _project(change, seen) + penalty * direction
    gain, curvature = ((direction * v).sum(axis=1, keepdims=True) for v in (residual, image))
    step = np.divide(gain, curvature, out=np.zeros_like(gain), where=curvature > 0)
    w, residual = w + step * direction, residual - step * image
    scores = scores + step[..., None] * change
    return w, -scores.sum(axis=(1, 2)) - (residual * w).sum(axis=1)


def _project(pair_values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """``N' x`` of each row, ``(B, L, 1), (B, L, D) -> (B, D)``."""
    product: np.ndarray = (pair_values.transpose(0, 2, 1) @ seen)[:, 0]
    return product


def _dual(seen: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """``w = D N' (I + N D N')^-1 1`` with ``D = 1 / penalty``, by the Woodbury identity."""
    scaled = seen / penalty[:, None, :]
    system = scaled @ seen.transpose(0, 2, 1)  # (B, L, L)
    system += np.eye(seen.shape[1], dtype=np.float32)
    ones = np.ones((len(seen), seen.shape[1], 1), dtype=np.float32)
    return (scaled.transpose(0, 2, 1) @ np.linalg.solve(system, ones))[..., 0]


def _primal(seen: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """``w = (N'N + penalty)^-1 N' 1``."""
    system = seen.transpose(0, 2, 1) @ seen  # (B, D, D)
    width = seen.shape[2]
    system[:, np.arange(width), np.arange(width)] += penalty
    return np.linalg.solve(system, seen.sum(axis=1)[..., None])[..., 0]


def _blocks(lengths: np.ndarray, n_rows: Callable[[int], int]) -> list[np.ndarray]:
    """The rows that have pairs, in blocks of similar length; `n_rows` gives a length's block size."""
    order = np.argsort(-lengths, kind="stable")
    order = order[: np.count_nonzero(lengths)]
    blocks = []
    while len(order):
        longest = int(lengths[order[0]])
        similar = int((lengths[order[: max(1, n_rows(longest))]] > 0.7 * longest).sum())
        blocks.append(order[:similar])
        order = order[similar:]
    return blocks


def _padded(columns: np.ndarray, ends: np.ndarray, rows: np.ndarray, padding: int) -> np.ndarray:
    """The columns of rows that end at `ends` (a CSR matrix's), padded, ``(n_rows, longest)``."""
    starts, lengths = ends[rows], np.diff(ends)[rows]
    steps = np.arange(lengths.max())
    inside = steps < lengths[:, None]
    out = np.full(inside.shape, padding)
    out[inside] = columns[(starts[:, None] + steps)[inside]]
    return out
