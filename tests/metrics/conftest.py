"""Ranked lists and relevant items written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from growthlab.core.histories import Catalogue, Histories
from growthlab.metrics.ranking.base import RankedLists


def ranked_lists(
    items: Sequence[Sequence[int]],
    truth: Sequence[Sequence[int]],
    *,
    popularity: Sequence[int],
    n_past_users: int = 100,
    histories: Sequence[Sequence[int]] | None = None,
    **content: Sequence[str],
) -> RankedLists:
    """Lists of item codes (-1: beyond the end) and relevant codes (-1: not in the catalogue).

    `content` are the category and attributes of the catalogue's items.
    """
    n_users = len(items)
    user_ids = np.array([f"u{u}" for u in range(n_users)])
    owned = [list(h) for h in histories or [[]] * n_users]
    relevant = np.array([i for user in truth for i in user], dtype=np.int32)
    return RankedLists(
        user_ids=user_ids,
        items=np.array(items, dtype=np.int32),
        scores=np.zeros(np.shape(items), dtype=np.float32),
        truth_offsets=np.cumsum([0, *map(len, truth)]),
        truth_items=relevant,
        truth_ranks=np.full(len(relevant), np.inf),
        truth_tied=np.zeros(len(relevant), dtype=bool),
        fallback=np.zeros(n_users, dtype=bool),
        histories=Histories.from_events(
            Catalogue(
                np.array([f"i{i:03d}" for i in range(len(popularity))]),
                **{name: np.array(values) for name, values in content.items()},
            ),
            user_ids,
            np.repeat(np.arange(n_users), [len(h) for h in owned]),
            np.array([i for h in owned for i in h], dtype=int),
            np.array([t for h in owned for t in range(len(h))], dtype=int),
        ),
        popularity=np.array(popularity),
        n_past_users=n_past_users,
    )


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
