"""Similarity of sparse vectors, and the K most similar sources of each target."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.processors import n_threads
from growthlab.core.seeding import mix_hashes
from growthlab.scorers.sparse_arrays import row_blocks

SETS = ("jaccard", "dice", "tversky")  # compare which entries there are, not their values
MEASURES = ("cosine", "asymmetric_cosine", *SETS)
CACHED_ENTRIES = 500_000  # of a sparse product at a time: fits the cache


class Sources(NamedTuple):
    """The vectors that targets are compared with, prepared once by `Neighbourhood.sources`."""

    columns: csr_matrix  # (n_features, n_sources)
    sizes: np.ndarray  # (n_sources,) float64, squared norms
    keys: np.ndarray  # (n_sources,) uint64, for ties


@dataclass(frozen=True)
class Neighbourhood:
    """Similarity of sources to a target, with the shrinkage h in every denominator.

    With source i and target j: cosine ``x_i.x_j / (|x_i| |x_j| + h)``, asymmetric cosine
    ``x_i.x_j / (|x_i|^2a |x_j|^2(1-a) + h)`` (Aiolli, RecSys 2013). On the pattern of the vectors,
    with ``c = |i and j|``: Jaccard ``c / (|i or j| + h)``, Dice ``2 c / (|i| + |j| + h)``, Tversky
    ``c / (c + source (|i| - c) + target (|j| - c) + h)`` (Tversky, Psychological Review 1977) with
    the weights `tversky_source` and `tversky_target`. `neighbours` None keeps every source with a
    similarity above 0.
    """

    measure: str = "cosine"
    neighbours: int | None = None
    shrinkage: float = 0.0
    asymmetry: float = 0.5
    tversky_source: float = 1.0
    tversky_target: float = 1.0

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            possible = near_matches(self.measure, MEASURES)
            raise ConfigError(f"there is no similarity {self.measure!r}: {possible}")
        if self.neighbours is not None and self.neighbours < 1:
            raise ConfigError(
                f"neighbours must be 1 or more, or null for all, got {self.neighbours}"
            )
        if self.shrinkage < 0:
            raise ConfigError(f"shrinkage must be 0 or more, got {self.shrinkage}")
        if not 0 <= self.asymmetry <= 2:
            raise ConfigError(f"asymmetry must lie in 0 ... 2, got {self.asymmetry}")
        for name in ("tversky_source", "tversky_target"):
            if not 0 <= getattr(self, name) <= 2:
                raise ConfigError(f"{name} must lie in 0 ... 2, got {getattr(self, name)}")

    @property
    def of_sets(self) -> bool:
        """Whether the similarity ignores the values of the entries."""
        return self.measure in SETS

    def sources(self, rows: csr_matrix, keys: np.ndarray) -> Sources:
        """Prepare a sources x features matrix; `keys` are hashes of raw ids, for ties."""
        if self.of_sets:
            rows = _pattern(rows)
        return Sources(rows.T.tocsr(), _squared_norms(rows), keys)

    def of(
        self, targets: csr_matrix, sources: Sources, *, own: np.ndarray, target_keys: np.ndarray
    ) -> csr_matrix:
        """Similarities, targets x sources, float32: at most `neighbours` a target, never its `own`.

        `targets` is targets x features; `own` is the source that is the target itself (-1: none).
        Sources that tie at the border are chosen by ``mix(target key, source key)``.
        """
        if self.of_sets:
            targets = _pattern(targets)
        sizes = _squared_norms(targets)
        blocks = row_blocks(targets, sources.columns, CACHED_ENTRIES)

        def nearest(block: slice) -> list[tuple[np.ndarray, np.ndarray]]:
            product = targets[block] @ sources.columns
            return self._rows(product, sizes[block], sources, own[block], target_keys[block])

        if len(blocks) > 1:
            with ThreadPoolExecutor(n_threads()) as pool:  # sparse products run without the GIL
                rows = [row for block_rows in pool.map(nearest, blocks) for row in block_rows]
        else:
            rows = [row for block in blocks for row in nearest(block)]
        counts = [len(column) for column, _ in rows]
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        data = np.concatenate([*(v for _, v in rows), np.zeros(0, dtype=np.float32)])
        indices = np.concatenate([*(c for c, _ in rows), np.zeros(0, dtype=np.int32)])
        return csr_matrix((data, indices, indptr), shape=(targets.shape[0], len(sources.keys)))

    def _rows(
        self,
        product: csr_matrix,
        sizes: np.ndarray,
        sources: Sources,
        own: np.ndarray,
        target_keys: np.ndarray,
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """The nearest sources of each row of inner products, and their similarities."""
        n_entries = np.diff(product.indptr)
        target_sizes = np.repeat(sizes, n_entries)
        similarity = self._similarities(product.data, target_sizes, sources.sizes[product.indices])
        similarity[(product.indices == np.repeat(own, n_entries)) | (similarity < 0)] = 0
        rows = []
        for row, key in enumerate(target_keys):
            part = slice(product.indptr[row], product.indptr[row + 1])
            column, value = product.indices[part], similarity[part]
            kept = self._nearest(column, value, key, sources.keys)
            rows.append((column[kept], value[kept]))
        return rows

    def nearest_of(
        self, similarities: csr_matrix, *, target_keys: np.ndarray, source_keys: np.ndarray
    ) -> csr_matrix:
        """The `neighbours` largest entries of each row of a targets x sources matrix.

        Sources that tie at the border are chosen by ``mix(target key, source key)``.
        """
        kept = np.zeros(similarities.nnz, dtype=bool)
        for row, key in enumerate(target_keys):
            start, end = similarities.indptr[row : row + 2]
            column, value = similarities.indices[start:end], similarities.data[start:end]
            kept[start + self._nearest(column, value, key, source_keys)] = True
        counts = np.concatenate([[0], np.cumsum(kept)])[similarities.indptr]
        csr = (similarities.data[kept], similarities.indices[kept], counts)
        return csr_matrix(csr, shape=similarities.shape)

    def _similarities(
        self, product: np.ndarray, target: np.ndarray, source: np.ndarray
    ) -> np.ndarray:
        """From inner products and squared norms to similarities, one an entry, float32."""
        if self.measure == "jaccard":
            denominator = source + target - product
        elif self.measure == "dice":
            product, denominator = 2 * product, source + target
        elif self.measure == "tversky":
            differences = self.tversky_source * (source - product) + self.tversky_target * (
                target - product
            )
            denominator = product + differences
        elif self.measure == "cosine":
            denominator = np.sqrt(source * target)
        else:
            denominator = source**self.asymmetry * target ** (1 - self.asymmetry)
        return (product / (denominator + self.shrinkage)).astype(np.float32)

    def _nearest(
        self, column: np.ndarray, value: np.ndarray, target_key: np.ndarray, source_keys: np.ndarray
    ) -> np.ndarray:
        """Indices of the `neighbours` largest values other than 0, in their stored order."""
        k = self.neighbours
        if k is None or np.count_nonzero(value) <= k:
            return np.flatnonzero(value)
        border = np.partition(value, -k)[-k]
        kept = np.flatnonzero(value >= border)
        if len(kept) > k:
            tied = kept[value[kept] == border]
            keys = mix_hashes(target_key, source_keys[column[tied]])
            dropped = tied[np.argsort(keys)[k - len(kept) :]]
            kept = np.setdiff1d(kept, dropped, assume_unique=True)
        return kept


def _squared_norms(rows: csr_matrix) -> np.ndarray:
    squares = np.square(rows.data, dtype=np.float64)
    return np.bincount(
        np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), squares, rows.shape[0]
    )


def _pattern(matrix: csr_matrix) -> csr_matrix:
    ones = np.ones(matrix.nnz, dtype=np.float32)
    return csr_matrix((ones, matrix.indices, matrix.indptr), shape=matrix.shape)
