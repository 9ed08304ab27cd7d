"""The angle between the vectors of items: which are like one."""

from __future__ import annotations

import numpy as np


def cosines(vectors: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The cosine of the vector of each of `items` with every row of `vectors`, ``(n, n_rows)``.

    A row of zeros has no direction: NaN for one of `items`, ``-inf`` as one to be compared with.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    known = np.where(lengths > 0, lengths, 1)
    near = (vectors[items] / known[items, None]) @ vectors.T / known
    near[:, lengths == 0] = -np.inf
    near[lengths[items] == 0] = np.nan
    return near.astype(np.float32, copy=False)
