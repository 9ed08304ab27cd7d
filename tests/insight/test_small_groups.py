"""Small groups: nothing that is shown, nor any difference of what is shown, is a few people."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from growthlab.insight.small_groups import OTHERS, crossed, grouped, hidden_cells


def labels(**counts: int) -> pd.Series:
    return pd.Series([name for name, n in counts.items() for _ in range(n)])


def test_large_segments_stay_as_they_are() -> None:
    given_labels = labels(a=10, b=12)
    found, note = grouped(given_labels, 10)
    assert found.equals(given_labels)
    assert note == ""


def test_small_segments_become_one_and_it_is_said() -> None:
    found, note = grouped(labels(a=20, b=6, c=5), 10)
    assert found.value_counts().to_dict() == {"a": 20, OTHERS: 11}
    assert note == "Segments put together as (others): 2 with fewer than 10 customers."


def test_a_single_small_segment_takes_the_next_larger_with_it() -> None:
    """Shown alone, a and b would tell that c has 3 of the known 34."""
    found, note = grouped(labels(a=20, b=11, c=3), 10)
    assert found.value_counts().to_dict() == {"a": 20, OTHERS: 14}
    assert "1 with fewer than 10 customers, and 1 larger with them" in note


def test_a_handful_of_customers_is_not_shown_at_all() -> None:
    found, note = grouped(labels(a=4, b=3), 10)
    assert found.isna().all()
    assert note == "There are fewer than 10 customers: nothing is shown."


@settings(max_examples=100, deadline=None)
@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=8), least=st.integers(2, 20))
def test_no_segment_is_smaller_than_allowed(counts: list[int], least: int) -> None:
    given_labels = labels(**{f"s{place}": n for place, n in enumerate(counts)})
    found, _ = grouped(given_labels, least)
    sizes = found.value_counts()
    assert (sizes >= least).all()
    assert sizes.sum() == (len(given_labels) if len(given_labels) >= least else 0)


def test_a_small_cell_hides_another_of_its_row_and_column() -> None:
    counts = np.array([[50, 30, 3], [40, 20, 25], [60, 70, 80]])
    # 3 is small; 30 is the smallest other of its row, 25 of its column; then the row of 25 hides
    # 25 and the column of 30 hides 30, both 10 or more
    hidden = hidden_cells(counts, 10)
    assert hidden.tolist() == [[False, True, True], [False, False, True], [False, False, False]]


def test_empty_cells_are_hidden_and_hide_nothing_else() -> None:
    hidden = hidden_cells(np.array([[50, 0], [40, 20]]), 10)
    assert hidden.tolist() == [[False, True], [False, False]]


@settings(max_examples=100, deadline=None)
@given(counts=arrays(np.int64, (4, 5), elements=st.integers(0, 40)), least=st.integers(2, 15))
def test_totals_of_rows_and_columns_tell_nothing_of_a_few(counts: np.ndarray, least: int) -> None:
    hidden = hidden_cells(counts, least)
    assert (counts[~hidden] >= least).all()
    for axis in (0, 1):
        inside = np.where(hidden, counts, 0).sum(axis=axis)
        assert ((inside == 0) | (inside >= least) | hidden.all(axis=axis)).all()


def test_pairs_are_counted_and_hidden_in_a_long_table() -> None:
    before = pd.Series(["x"] * 30 + ["y"] * 20, name="before")
    now = pd.Series(["x"] * 15 + ["y"] * 15 + ["y"] * 20, name="now")
    found = crossed(before, now, 10).set_index(["before", "now"])["customers"]
    assert found["x", "x"] == 15
    assert found["y", "y"] == 20
    assert found["y", "x"] is pd.NA


def test_a_set_of_cells_with_a_known_total_tells_nothing_of_a_few() -> None:
    counts = np.array([[50, 4, 30], [40, 20, 30], [30, 60, 70]])
    # without totals of rows only the column of 4 hides another cell, its 20
    hidden = hidden_cells(counts, 10, rows=False)
    assert hidden.tolist() == [[False, True, False], [False, True, False], [False] * 3]
    corner = np.zeros((3, 3), bool)
    corner[0, :2] = True  # 54 are known to be in these two: 54 - 50 would be 4
    hidden = hidden_cells(counts, 10, [corner], rows=False)
    assert hidden.tolist() == [[True, True, False], [False, True, False], [False] * 3]


@pytest.mark.parametrize("least", [2, 10])
def test_a_table_of_zeros_is_all_hidden(least: int) -> None:
    assert hidden_cells(np.zeros((2, 2), dtype=np.int64), least).all()
