"""Lists and labels of a few customers written by hand, for examples and tests of metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from growthlab.core.histories import Catalogue, Histories
from growthlab.metrics.ranking.base import RankedLists


def ranked_lists(
    items: Sequence[Sequence[int]],
    truth: Sequence[Sequence[int]],
    *,
    popularity: Sequence[int] | None = None,
    n_past_users: int = 100,
    histories: Sequence[Sequence[int]] | None = None,
    **content: Sequence[str],
) -> RankedLists:
    """Lists of item codes (-1: beyond the end) and relevant codes (-1: not in the catalogue).

    `popularity` has one number an item; without it each item up to the largest code had one user.
    `content` are the category and attributes of the catalogue's items.
    """
    n_users = len(items)
    user_ids = np.array([f"u{u}" for u in range(n_users)])
    owned = [list(h) for h in histories or [[]] * n_users]
    relevant = np.array([i for user in truth for i in user], dtype=np.int32)
    if popularity is None:
        popularity = [1] * (1 + max(i for row in [*items, *truth, *owned] for i in row))
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


def experiment_label(
    treated: np.ndarray | Sequence[int],
    outcome: np.ndarray | Sequence[float],
    propensity: float = 0.5,
    expected_control: float | Sequence[float] = 0.0,
    expected_treated: float | Sequence[float] = 0.0,
) -> np.ndarray:
    """The parts of a label of uplift, see `metrics.uplift.base.Truth`, ``(n, 5)``.

    A part that is one number is the same for all customers.
    """
    parts = np.broadcast_arrays(treated, outcome, propensity, expected_control, expected_treated)
    return np.column_stack(parts).astype(float)
