"""Resamples of customers: drawn once, and the same for every model, metric and stratum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from growthlab.core.seeding import random_stream

N_RESAMPLES = 2000
MOST_CELLS = 2**14
CACHE_BYTES = 64 * 2**20  # of resamples, at a byte per cell
DRAW_BYTES = 16 * 2**20
BLOCK_ROWS = 2**18  # customers times resamples that are worked on together
BLOCK_RESAMPLES = 32
MOST_GROUPS = 256  # of cells, left out one after the other


@dataclass(frozen=True)
class Resamples:
    """How often each of `n` customers counts in each resample with replacement.

    More than `MOST_CELLS` customers are dealt into that many cells at random, and whole cells are
    drawn: the error of an estimate has the same distribution, as the cells are alike, and neither
    memory nor the draw grows with the number of customers. Among 16,384 cells, the width of an
    interval is off by 0.6 % (its standard deviation), which is less than what 2,000 resamples leave.
    """

    n: int
    seed: int = 0

    @property
    def n_cells(self) -> int:
        """The number of cells, `n` if each customer is one."""
        return min(self.n, MOST_CELLS)

    @cached_property
    def cells(self) -> np.ndarray:
        """The cell of each customer, ``(n,)``."""
        if self.n <= MOST_CELLS:
            return np.arange(self.n)
        places = random_stream(self.seed, "cells", self.n).permutation(self.n)
        return (places % MOST_CELLS).astype(np.int32)

    def sums_by_cell(self, column: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """The sum of a column of all customers, or of those at `rows`, ``(n_cells,)``."""
        if rows is None and self.n <= MOST_CELLS:
            return column
        cells = self.cells if rows is None else self.cells[rows]
        return np.bincount(cells, weights=column, minlength=self.n_cells)

    def counts(self, n_resamples: int) -> Iterator[np.ndarray]:
        """How often each cell is drawn, ``(n_drawn, n_cells)``, uint8, resample after resample.

        The first resamples are the same however many are asked for.
        """
        n_resamples = n_resamples if self.n else 0
        small = self.n_cells * n_resamples <= CACHE_BYTES
        yield from (_cached_counts if small else _draw_counts)(self.n_cells, n_resamples, self.seed)

    def blocks(self, n_resamples: int, n_rows: int) -> Iterator[np.ndarray]:
        """The `counts`, cut so that `n_rows` customers of a block stay in the processor's cache."""
        size = _block_size(n_rows)
        for counts in self.counts(n_resamples):
            for start in range(0, len(counts), size):
                yield counts[start : start + size]

    def without_each_group(self, n_rows: int) -> Iterator[np.ndarray]:
        """Counts of all cells but one group of them, for one group after another, as those of `blocks`.

        There are as many groups as cells, at most `MOST_GROUPS`, of equal size but for one cell.
        """
        groups = np.arange(self.n_cells) % MOST_GROUPS
        n_groups, size = min(self.n_cells, MOST_GROUPS), _block_size(n_rows)
        for start in range(0, n_groups, size):
            left_out = np.arange(start, min(start + size, n_groups))
            yield (groups != left_out[:, None]).astype(np.uint8)


def _block_size(n_rows: int) -> int:
    return min(BLOCK_RESAMPLES, max(1, BLOCK_ROWS // max(n_rows, 1)))


@lru_cache(maxsize=4)
def _cached_counts(n: int, n_resamples: int, seed: int) -> list[np.ndarray]:
    return list(_draw_counts(n, n_resamples, seed))


def _draw_counts(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    random = random_stream(seed, "bootstrap", n)
    chunk = max(1, DRAW_BYTES // (8 * max(n, 1)))
    for start in range(0, n_resamples, chunk):
        size = min(chunk, n_resamples - start)
        drawn = random.integers(n, size=(size, n), dtype=np.int64)
        drawn += np.arange(size)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=size * n)
        # a byte is enough: the chance that one of n is drawn 256 times in n is below 1e-500
        yield counts.reshape(size, n).astype(np.uint8)
