"""The dense item-item Gram matrix, and the check of its memory."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.scorers.sparse_arrays import dense_product


def dense_gram(matrix: csr_matrix) -> np.ndarray:
    """``X.T X`` of a users x items matrix, shape ``(n_items, n_items)``, float32."""
    return dense_product(matrix.T.tocsr(), matrix)


def check_memory(name: str, n_items: int, bytes_a_pair: int, memory_mb: float) -> None:
    """ConfigError if `bytes_a_pair` for every pair of items exceed `memory_mb`."""
    needed = n_items**2 * bytes_a_pair / 2**20
    if needed > memory_mb:
        raise ConfigError(
            f"{name} needs {needed:,.0f} MB for every pair of {n_items:,} items, "
            f"model.memory_mb={memory_mb:g}: raise it, or take item_knn or rp3beta"
        )
