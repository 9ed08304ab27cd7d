"""Ranked lists and relevant items written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from growthlab.metrics.by_hand import ranked_lists
from growthlab.metrics.ranking.base import RankedLists


@pytest.fixture
def lists_of() -> Callable[..., RankedLists]:
    """See `ranked_lists`."""
    return ranked_lists


@pytest.fixture
def one_list() -> Callable[[Sequence[int], int], RankedLists]:
    """One user's list from its relevance (1: hit) and the number of relevant items."""

    def make(relevance: Sequence[int], n_relevant: int) -> RankedLists:
        k = len(relevance)
        hits = [i for i, hit in enumerate(relevance) if hit]
        missed = list(range(k, k + n_relevant - len(hits)))
        return ranked_lists([list(range(k))], [hits + missed], popularity=[1] * (k + n_relevant))

    return make
