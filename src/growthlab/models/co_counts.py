"""Remove weights of item pairs that few customers share, which could reveal individuals."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.scorers.sparse_arrays import row_blocks

Weights = TypeVar("Weights", csr_matrix, np.ndarray)


def check_co_count(least: int) -> None:
    """ConfigError for a number of customers below 1."""
    if least < 1:
        raise ConfigError(f"model.min_co_count must be at least 1, got {least}")


def without_rare_pairs(weights: Weights, past: Histories, least: int) -> Weights:
    """Item-item weights of those pairs that at least `least` customers have both; others are 0.

    A weight that comes from a single customer reveals to anybody who sees the matrix what else that
    customer had. With `least` 1 nothing changes.
    """
    if least <= 1:
        return weights
    pairs = past.matrix()
    of_items = pairs.T.tocsr()
    kept = weights.copy()
    for block in row_blocks(of_items, pairs):
        counts = (of_items[block] @ pairs).tocsr()
        counts.data = (counts.data >= least).astype(np.float32)
        counts.eliminate_zeros()
        if isinstance(kept, np.ndarray):
            kept[block] *= counts.toarray()
        else:
            own = slice(kept.indptr[block.start], kept.indptr[block.stop])
            rows = np.repeat(np.arange(counts.shape[0]), np.diff(kept.indptr)[block])
            kept.data[own] *= np.asarray(counts[rows, kept.indices[own]]).ravel()
    if not isinstance(kept, np.ndarray):
        kept.eliminate_zeros()
    return kept
