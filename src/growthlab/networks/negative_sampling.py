"""Negatives: items that a user has not, drawn afresh for each epoch."""

from __future__ import annotations

import numpy as np


def uniform_negatives(
    rng: np.random.Generator,
    users: np.ndarray,
    n_items: int,
    positives: np.ndarray,
    rounds: int = 20,
) -> np.ndarray:
    """One item for each of `users`, uniform over the items that are not among the user's positives.

    `positives` are sorted keys ``user * n_items + item``. What is still a positive after `rounds`
    redraws stays (a user who has nearly every item). Shape ``(n,)``, int64.
    """
    items = rng.integers(n_items, size=len(users))
    redraw = np.arange(len(users))
    for _ in range(rounds):
        redraw = redraw[is_positive(users[redraw] * n_items + items[redraw], positives)]
        if not len(redraw):
            break
        items[redraw] = rng.integers(n_items, size=len(redraw))
    return items


def is_positive(keys: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Whether each key is among the sorted `positives`, shape ``(n,)``, bool."""
    if not len(positives):
        return np.zeros(len(keys), dtype=bool)
    places = np.minimum(np.searchsorted(positives, keys), len(positives) - 1)
    return positives[places] == keys
