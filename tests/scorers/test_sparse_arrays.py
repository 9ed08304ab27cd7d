from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from growthlab.core.processors import FEW_BLOCKS
from growthlab.scorers import sparse_arrays
from growthlab.scorers.sparse_arrays import (
    block_product,
    dense_product,
    row_blocks,
    sparse_from_arrays,
    sparse_to_arrays,
)


def sparse(rows: int, columns: int, density: float, seed: int) -> csr_matrix:
    rng = np.random.default_rng(seed)
    present = rng.random((rows, columns)) < density
    return csr_matrix((rng.random((rows, columns)) * present).astype(np.float32))


@pytest.mark.parametrize("shape", [(7, 3), (0, 4), (4, 0)])
def test_a_matrix_comes_back_from_its_parts(shape: tuple[int, int]) -> None:
    matrix = sparse(*shape, 0.4, 0)
    back = sparse_from_arrays("name", sparse_to_arrays("name", matrix))
    assert back.shape == shape
    np.testing.assert_array_equal(back.toarray(), matrix.toarray())


@given(
    rows=st.integers(0, 30),
    entries=st.integers(1, 60),
    density=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 99),
)
def test_blocks_cover_all_rows_and_keep_the_bound(
    rows: int, entries: int, density: float, seed: int
) -> None:
    left, right = sparse(rows, 8, density, seed), sparse(8, 12, 0.3, seed + 1)
    blocks = row_blocks(left, right, entries)
    covered = [row for block in blocks for row in range(rows)[block]]
    assert covered == list(range(rows))
    for block in blocks:
        one_row = block.stop - block.start == 1
        assert (left[block] @ right).nnz <= entries or one_row


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("number", [np.float32, np.float64])
@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
def test_the_product_of_a_block_is_scipys_to_the_last_bit(
    index: type, number: type, density: float
) -> None:
    left, right = sparse(40, 30, density, 1), sparse(30, 20, 0.3, 2).astype(number)
    left.indices, left.indptr = left.indices.astype(index), left.indptr.astype(index)
    product, expected = block_product(left, right), left @ right
    assert product.dtype == expected.dtype
    assert product.shape == expected.shape
    np.testing.assert_array_equal(product.indptr, expected.indptr)
    np.testing.assert_array_equal(product.indices, expected.indices)
    np.testing.assert_array_equal(product.data, expected.data)


def test_a_blocked_product_is_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = sparse(40, 30, 0.2, 1), sparse(30, 20, 0.3, 2)
    monkeypatch.setattr(sparse_arrays, "CACHED_ENTRIES", 50)
    assert len(row_blocks(left, right, 50)) > FEW_BLOCKS  # in threads
    product = dense_product(left, right)
    assert product.dtype == np.float32
    np.testing.assert_allclose(product, left.toarray() @ right.toarray(), rtol=1e-6)


@pytest.mark.parametrize("rows", [0, 1, 6])
def test_columns_of_a_product_are_its_columns(rows: int) -> None:
    left, right = sparse(rows, 30, 0.2, 1), sparse(30, 20, 0.3, 2)
    columns = np.array([17, 0, 3])
    whole = dense_product(left, right)
    np.testing.assert_array_equal(dense_product(left, right, columns), whole[:, columns])
