"""Sparse matrices as plain arrays, and products of them as dense scores within bounded memory."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from scipy.sparse import _sparsetools as sparsetools
from scipy.sparse import csr_matrix

from growthlab.core.array_schema import INDEX, ArraySchema, Schema
from growthlab.core.processors import in_threads

BLOCK_ENTRIES = 16_000_000  # numbers of a sparse product, about 8 bytes each
CACHED_ENTRIES = 500_000  # the same, so that they fit the cache
MANY_ROWS = 64  # from this many on, copying columns of a dense matrix pays
COLUMNS_AT_ONCE = 128


def sparse_to_arrays(name: str, matrix: csr_matrix) -> dict[str, np.ndarray]:
    """The parts of a CSR matrix under ``<name>_data``, ``_indices``, ``_indptr`` and ``_shape``."""
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices,
        f"{name}_indptr": matrix.indptr,
        f"{name}_shape": np.array(matrix.shape, dtype=np.int64),
    }


def sparse_schema(name: str, rows: str, columns: str) -> Schema:
    """What the arrays of `sparse_to_arrays` must be; `rows` and `columns` are names of sizes.

    scipy trusts indices and offsets: those that lead outside the matrix would end the process.
    """
    entries = f"n_entries of {name}"
    return {
        f"{name}_shape": ArraySchema(dtypes=("int64",), shape=(2,), sizes=(rows, columns)),
        f"{name}_data": ArraySchema(dtypes=("float32",), shape=(entries,)),
        f"{name}_indices": ArraySchema(dtypes=INDEX, shape=(entries,), low=0, below=columns),
        f"{name}_indptr": ArraySchema(
            dtypes=INDEX, shape=(f"{rows}+1",), low=0, order="offsets", ends_at=entries
        ),
    }


def sparse_from_arrays(name: str, arrays: Mapping[str, np.ndarray]) -> csr_matrix:
    """The matrix that `sparse_to_arrays` wrote; KeyError where a part is missing."""
    csr = (arrays[f"{name}_data"], arrays[f"{name}_indices"], arrays[f"{name}_indptr"])
    return csr_matrix(csr, shape=tuple(int(n) for n in arrays[f"{name}_shape"]))


def entries(matrix: csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The entries at these rows and columns, 0 if not stored, ``(n,)``."""
    return np.asarray(matrix[rows, columns]).ravel()


def row_blocks(left: csr_matrix, right: csr_matrix, entries: int = BLOCK_ENTRIES) -> list[slice]:
    """Slices of the rows of `left` such that no block of ``left @ right`` has more than `entries` numbers.

    A single row with more is a block of its own.
    """
    ends = np.cumsum(_most_entries(left, right))
    starts = [0]
    while starts[-1] < left.shape[0]:
        begun = ends[starts[-1] - 1] if starts[-1] else 0
        last = int(np.searchsorted(ends, begun + entries, side="right"))
        starts.append(max(starts[-1] + 1, last))
    return [slice(first, last) for first, last in pairwise(starts)]


def _most_entries(left: csr_matrix, right: csr_matrix) -> np.ndarray:
    """The largest number of entries that each row of ``left @ right`` can have, int64."""
    reached = csr_matrix((np.ones(left.nnz), left.indices, left.indptr), shape=left.shape)
    most = np.minimum(reached @ np.diff(right.indptr).astype(np.float64), right.shape[1])
    return most.astype(np.int64)


def block_product(left: csr_matrix, right: csr_matrix) -> csr_matrix:
    """``left @ right`` of a block of rows, as scipy computes it, in two thirds of its time.

    scipy goes through all pairs of entries twice, first to count those of the result. Here the bound
    by which the block was chosen is allocated instead, of which only what is written takes memory.
    """
    most = int(_most_entries(left, right).sum())
    parts = (left.indptr, left.indices, right.indptr, right.indices)
    largest = max(most, *left.shape, *right.shape)
    narrow = largest <= np.iinfo(np.int32).max
    dtype = np.result_type(*parts, np.int32 if narrow else np.int64)  # of indices and offsets
    left_indptr, left_indices, right_indptr, right_indices = (
        np.asarray(part, dtype=dtype) for part in parts
    )
    indptr, indices = np.empty(left.shape[0] + 1, dtype=dtype), np.empty(most, dtype=dtype)
    data = np.empty(most, dtype=np.result_type(left.dtype, right.dtype))
    shape = (left.shape[0], right.shape[1])
    sparsetools.csr_matmat(
        *shape,
        left_indptr, left_indices, left.data,
        right_indptr, right_indices, right.data,
        indptr, indices, data,
    )  # fmt: skip
    n = int(indptr[-1])
    return csr_matrix((data[:n], indices[:n], indptr), shape=shape)


def dense_product(
    left: csr_matrix, right: csr_matrix, columns: np.ndarray | None = None
) -> np.ndarray:
    """``left @ right``, or those `columns` of it, as a dense float32 array, in blocks of rows."""
    if columns is not None and left.shape[0] > 1:
        right, columns = right[:, columns], None  # pays unless for a single row
    width = right.shape[1] if columns is None else len(columns)
    out = np.empty((left.shape[0], width), dtype=np.float32)

    def multiply(block: slice) -> None:
        scores = block_product(left[block], right).astype(np.float32, copy=False)
        if columns is None:
            scores.toarray(out=out[block])
        else:
            out[block] = scores.toarray()[:, columns]

    in_threads(multiply, row_blocks(left, right, CACHED_ENTRIES))
    return out


def times_dense(left: csr_matrix, right: np.ndarray) -> np.ndarray:
    """``left @ right``, a dense float32 array.

    For many rows by blocks of columns that fit the cache: twice as fast, with the same sums.
    """
    if left.shape[0] < MANY_ROWS:
        return left @ right
    out = np.empty((left.shape[0], right.shape[1]), dtype=np.float32)
    for start in range(0, right.shape[1], COLUMNS_AT_ONCE):
        columns = slice(start, start + COLUMNS_AT_ONCE)
        out[:, columns] = left @ np.ascontiguousarray(right[:, columns])
    return out
