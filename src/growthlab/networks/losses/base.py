"""What a loss of a sequence network is given, and what it gives."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class SequenceTargets(NamedTuple):
    """The states of a batch at the positions that have a future, and which items that holds.

    The score of item ``j`` at position ``p`` is ``states[p] @ item_vectors[j] + bias[j]``.
    """

    states: Tensor  # (P, D)
    item_vectors: Tensor  # (n_items, D)
    bias: Tensor  # (n_items,)
    positions: Tensor  # (M,) rows of `states`, ascending: which position each target belongs to
    targets: Tensor  # (M,) item codes
    weights: Tensor  # (M,) sum to 1 a position
    users: Tensor  # (P,) whose position it is, counted within the batch from 0
    owned: Tensor  # (N,) item codes: all that each user of the batch had, ascending a user
    owned_until: Tensor  # (B + 1,) user `u` had owned[owned_until[u] : owned_until[u + 1]]
    support: Tensor  # (n_items,) float64, how often each item is had in training

    def score_of_targets(self) -> Tensor:
        """The score of each target at its position, shape ``(M,)``."""
        products = self.states[self.positions] * self.item_vectors[self.targets]
        return products.sum(1) + self.bias[self.targets]


class Loss(Protocol):
    """The mean over positions, a scalar; what is drawn comes from torch's generator."""

    def __call__(self, given: SequenceTargets) -> Tensor:
        """The loss of a batch."""
        ...
