"""Arrays that grow in a file."""

from __future__ import annotations

import numpy as np
import pytest

from growthlab.core.growing_array import GrowingArray, release_pages


def test_what_was_appended_is_mapped_to_be_read_only() -> None:
    array = GrowingArray(np.dtype(np.int32))
    array.append(np.array([1, 2]))
    array.append(np.array([3], dtype=np.int64))
    values = array.mapped()
    assert isinstance(values, np.memmap)
    assert values.dtype == np.int32
    assert values.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 9


def test_longer_texts_than_before_are_kept_whole() -> None:
    array = GrowingArray(np.dtype("<U2"))
    for texts in (["a", "bb"], ["cccc"], ["d"]):
        array.append(np.array(texts))
    assert array.mapped().tolist() == ["a", "bb", "cccc", "d"]


def test_released_pages_are_read_again() -> None:
    array = GrowingArray(np.dtype(np.int64))
    array.append(np.arange(10_000))
    values = array.mapped()
    total = values.sum()
    release_pages(values, values[5:], np.arange(3), np.zeros(0))
    assert values.sum() == total


def test_nothing_appended_is_an_empty_array() -> None:
    assert GrowingArray(np.dtype(np.uint8)).mapped().tolist() == []
