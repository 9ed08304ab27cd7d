"""Batches of rows: every row once an epoch, in an order of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from torch import Tensor

from growthlab.training.table_batches import TableBatches


class Pair(NamedTuple):
    """Two arrays of one row each."""

    x: Tensor
    y: Tensor


@pytest.mark.parametrize(
    ("n_rows", "sizes"), [(8, [4, 4]), (9, [4, 5]), (10, [4, 4, 2]), (3, [3]), (1, [1]), (0, [])]
)
def test_every_row_comes_once_and_no_batch_is_a_single_row(n_rows: int, sizes: list[int]) -> None:
    x = np.arange(n_rows, dtype=np.float32)
    batches = TableBatches(Pair, (x, 10 * x), batch=4, seed=0)(1)
    assert [len(b.x) for b in batches] == sizes
    rows = [v for b in batches for v in b.x.tolist()]
    assert sorted(rows) == x.tolist()
    assert all((b.y == 10 * b.x).all() for b in batches)


def test_an_epoch_has_the_same_order_each_time_and_another_than_the_next() -> None:
    batches = TableBatches(Pair, (np.arange(50.0), np.zeros(50)), batch=50, seed=3)
    assert batches(2)[0].x.tolist() == batches(2)[0].x.tolist()
    assert batches(2)[0].x.tolist() != batches(3)[0].x.tolist()
