"""Cosine similarity between the vectors of items."""

from __future__ import annotations

import numpy as np

ROWS_AT_ONCE = 4_096  # whose squares are held together


def cosines(vectors: np.ndarray, items: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The cosine of the vector of each of `items` with every row of `vectors`, ``(n, n_rows)``.

    `lengths` are those of the rows. A row of zeros has no direction: NaN rows for such `items`, and
    0 where others are compared with it.
    """
    known = np.where(lengths > 0, lengths, 1)
    near = (vectors[items] / known[items, None]) @ vectors.T / known
    near[lengths[items] == 0] = np.nan
    return near.astype(np.float32, copy=False)


def row_lengths(vectors: np.ndarray) -> np.ndarray:
    """The Euclidean length of each row, ``(n_rows,)``; needs no second array of the vectors' size."""
    lengths = np.zeros(len(vectors), dtype=vectors.dtype)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        lengths[rows] = np.linalg.norm(vectors[rows], axis=1)
    return lengths
