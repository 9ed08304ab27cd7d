"""Small groups: nothing that is shown, nor any difference of what is shown, is a few people."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from growthlab.insight.small_groups import (
    OTHERS,
    merge_small_segments,
    suppressed_cells,
    suppressed_crosstab,
)


def labels(**counts: int) -> pd.Series:
    return pd.Series([name for name, n in counts.items() for _ in range(n)])


def test_large_segments_are_kept() -> None:
    segments = labels(a=10, b=12)
    merged, note = merge_small_segments(segments, 10)
    assert merged.equals(segments)
    assert note == ""


def test_small_segments_are_merged_with_a_note() -> None:
    merged, note = merge_small_segments(labels(a=20, b=6, c=5), 10)
    assert merged.value_counts().to_dict() == {"a": 20, OTHERS: 11}
    assert note == "Segments put together as (others): 2 with fewer than 10 customers."


def test_a_single_small_segment_takes_the_next_larger_with_it() -> None:
    """Shown alone, a and b would tell that c has 3 of the known 34."""
    merged, note = merge_small_segments(labels(a=20, b=11, c=3), 10)
    assert merged.value_counts().to_dict() == {"a": 20, OTHERS: 14}
    assert "1 with fewer than 10 customers, and 1 larger with them" in note


def test_a_handful_of_customers_is_not_shown_at_all() -> None:
    merged, note = merge_small_segments(labels(a=4, b=3), 10)
    assert merged.isna().all()
    assert note == "There are fewer than 10 customers: nothing is shown."


@settings(max_examples=100, deadline=None)
@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=8), least=st.integers(2, 20))
def test_no_segment_is_smaller_than_allowed(counts: list[int], least: int) -> None:
    segments = labels(**{f"s{place}": n for place, n in enumerate(counts)})
    merged, _ = merge_small_segments(segments, least)
    sizes = merged.value_counts()
    assert (sizes >= least).all()
    assert sizes.sum() == (len(segments) if len(segments) >= least else 0)


def test_a_small_cell_hides_another_of_its_row_and_column() -> None:
    counts = np.array([[50, 30, 3], [40, 20, 25], [60, 70, 80]])
    # 3 is small; 30 is the smallest other of its row, 25 of its column; then the row of 25 hides
    # 25 and the column of 30 hides 30, both 10 or more
    hidden = suppressed_cells(counts, 10)
    assert hidden.tolist() == [[False, True, True], [False, False, True], [False, False, False]]


def test_empty_cells_are_hidden_and_hide_nothing_else() -> None:
    hidden = suppressed_cells(np.array([[50, 0], [40, 20]]), 10)
    assert hidden.tolist() == [[False, True], [False, False]]


@settings(max_examples=100, deadline=None)
@given(counts=arrays(np.int64, (4, 5), elements=st.integers(0, 40)), least=st.integers(2, 15))
def test_totals_of_rows_and_columns_reveal_no_small_group(counts: np.ndarray, least: int) -> None:
    hidden = suppressed_cells(counts, least)
    assert (counts[~hidden] >= least).all()
    for axis in (0, 1):
        inside = np.where(hidden, counts, 0).sum(axis=axis)
        assert ((inside == 0) | (inside >= least) | hidden.all(axis=axis)).all()


def test_pairs_are_counted_and_hidden_in_a_long_table() -> None:
    before = pd.Series(["x"] * 30 + ["y"] * 20, name="before")
    now = pd.Series(["x"] * 15 + ["y"] * 15 + ["y"] * 20, name="now")
    counts = suppressed_crosstab(before, now, 10).set_index(["before", "now"])["customers"]
    assert counts["x", "x"] == 15
    assert counts["y", "y"] == 20
    assert counts["y", "x"] is pd.NA


def test_the_known_total_of_a_set_of_cells_reveals_no_small_group() -> None:
    counts = np.array([[50, 4, 30], [40, 20, 30], [30, 60, 70]])
    # without totals of rows only the column of 4 hides another cell, its 20
    hidden = suppressed_cells(counts, 10, rows=False)
    assert hidden.tolist() == [[False, True, False], [False, True, False], [False] * 3]
    corner = np.zeros((3, 3), bool)
    corner[0, :2] = True  # 54 are known to be in these two: 54 - 50 would be 4
    hidden = suppressed_cells(counts, 10, [corner], rows=False)
    assert hidden.tolist() == [[True, True, False], [False, True, False], [False] * 3]


@pytest.mark.parametrize("least", [2, 10])
def test_a_table_of_zeros_is_all_hidden(least: int) -> None:
    assert suppressed_cells(np.zeros((2, 2), dtype=np.int64), least).all()
