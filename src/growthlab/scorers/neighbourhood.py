"""Similarity of sparse vectors, and the K most similar sources of each target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, vstack

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.processors import in_threads
from growthlab.core.seeding import mix_hashes
from growthlab.scorers.sparse_arrays import CACHED_ENTRIES, block_product, row_blocks

SETS = ("jaccard", "dice", "tversky")  # compare which entries there are, not their values
MEASURES = ("cosine", "asymmetric_cosine", *SETS)


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

        def nearest(block: slice) -> csr_matrix:
            product = block_product(targets[block], sources.columns)
            self._compare(product, sizes[block], sources, own[block])
            return self.nearest_of(
                product, target_keys=target_keys[block], source_keys=sources.keys
            )

        found = in_threads(nearest, blocks)
        empty = csr_matrix((0, len(sources.keys)), dtype=np.float32)
        near: csr_matrix = vstack([empty, *found], format="csr", dtype=np.float32)
        return near

    def _compare(
        self, product: csr_matrix, sizes: np.ndarray, sources: Sources, own: np.ndarray
    ) -> None:
        """From inner products of targets with sources to similarities, in place; 0 to a target itself."""
        n_entries = np.diff(product.indptr)
        target_sizes = np.repeat(sizes, n_entries)
        similarity = self._similarities(product.data, target_sizes, sources.sizes[product.indices])
        similarity[(product.indices == np.repeat(own, n_entries)) | (similarity < 0)] = 0
        product.data = similarity

    def nearest_of(
        self, similarities: csr_matrix, *, target_keys: np.ndarray, source_keys: np.ndarray
    ) -> csr_matrix:
        """The `neighbours` largest entries of each row of a targets x sources matrix, none of them 0.

        Sources that tie at the border are chosen by ``mix(target key, source key)``.
        """
        kept = self._kept(similarities, target_keys, source_keys)
        indptr = _counts_before(kept, similarities.indptr)
        csr = (similarities.data[kept], similarities.indices[kept], indptr)
        return csr_matrix(csr, shape=similarities.shape)

    def _kept(
        self, similarities: csr_matrix, target_keys: np.ndarray, source_keys: np.ndarray
    ) -> np.ndarray:
        """Which entries `nearest_of` keeps, bool."""
        value, indptr = similarities.data, similarities.indptr
        kept: np.ndarray = value != 0
        k = self.neighbours
        if k is None:
            return kept
        borders = np.full(len(target_keys), -np.inf, dtype=value.dtype)
        for row in np.flatnonzero(np.diff(_counts_before(kept, indptr)) > k):
            borders[row] = np.partition(value[indptr[row] : indptr[row + 1]], -k)[-k]
        kept &= value >= np.repeat(borders, np.diff(indptr))
        n_kept = np.diff(_counts_before(kept, indptr))
        for row in np.flatnonzero(n_kept > k):
            entries = np.arange(indptr[row], indptr[row + 1])
            tied = entries[value[entries] == borders[row]]
            keys = mix_hashes(target_keys[row], source_keys[similarities.indices[tied]])
            kept[tied[np.argsort(keys)[k - n_kept[row] :]]] = False
        return kept

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


def _counts_before(kept: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    """How many entries are kept before each row and in all, ``(n_rows + 1,)``."""
    counts: np.ndarray = np.concatenate([[0], np.cumsum(kept)])[indptr]
    return counts


def _squared_norms(rows: csr_matrix) -> np.ndarray:
    squares = np.square(rows.data, dtype=np.float64)
    return np.bincount(
        np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), squares, rows.shape[0]
    )


def _pattern(matrix: csr_matrix) -> csr_matrix:
    ones = np.ones(matrix.nnz, dtype=np.float32)
    return csr_matrix((ones, matrix.indices, matrix.indptr), shape=matrix.shape)
