"""Negatives: random items that a user does not have."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def uniform_negatives(
    rng: np.random.Generator,
    users: np.ndarray,
    n_items: int,
    positives: np.ndarray,
    rounds: int = 20,
) -> np.ndarray:
    """One item for each of `users`, uniform over the items that are not among the user's positives.

    `positives` are sorted keys ``user * n_items + item``. An item that is still a positive after
    `rounds` redraws is kept (a user who has nearly every item). Shape ``(n,)``, int64.
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


def unseen_negatives(
    users: Tensor, uniform: Tensor, n_items: int, owned: Tensor, owned_until: Tensor
) -> tuple[Tensor, Tensor]:
    """Items for each of `users`, uniform over the items that the user never had, with repeats.

    `uniform` are random numbers in [0, 1), float64, one an item: ``(len(users), n)``.
    ``owned[owned_until[u] : owned_until[u + 1]]`` are the items of user ``u``, ascending and each
    once. The ``r``-th item that a user does not have is ``r`` plus the number of owned items before
    it, so one draw of ``r`` is enough. Returns item codes and which of them are valid, both
    ``(len(users), n)``: none for a user who has every item.
    """
    sizes = owned_until.diff()  # (B,)
    owner = torch.repeat_interleave(torch.arange(len(sizes), device=owned.device), sizes)
    within = torch.arange(len(owned), device=owned.device) - owned_until[owner]
    gaps = (
        owner * (n_items + 1) + owned - within
    )  # ascending: the number of unowned items before each
    n_unseen = (n_items - sizes)[users].unsqueeze(1)  # (P, 1)
    rank = (uniform * n_unseen).long()
    before = torch.searchsorted(gaps, users.unsqueeze(1) * (n_items + 1) + rank, right=True)
    items = rank + before - owned_until[users].unsqueeze(1)
    return items.clamp(max=n_items - 1), (n_unseen > 0).expand_as(items)
