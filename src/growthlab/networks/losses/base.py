"""The contract of the losses of sequence networks, and their input."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class SequenceTargets(NamedTuple):
    """The states of a batch at the positions that have targets, and the targets.

    The score of item ``j`` at position ``p`` is ``states[p] @ item_vectors[j] + bias[j]``.
    """

    states: Tensor  # (P, D)
    item_vectors: Tensor  # (n_items, D)
    bias: Tensor  # (n_items,)
    positions: Tensor  # (M,) the row of `states` that each target belongs to, ascending
    targets: Tensor  # (M,) item codes
    weights: Tensor  # (M,) sum to 1 a position
    users: Tensor  # (P,) the user of each position, numbered within the batch from 0
    owned: Tensor  # (N,) item codes: the items of each user of the batch, ascending per user
    owned_until: Tensor  # (B + 1,) user `u` has owned[owned_until[u] : owned_until[u + 1]]
    support: Tensor  # (n_items,) float64, how often each item is a target in training

    def score_of_targets(self) -> Tensor:
        """The score of each target at its position, shape ``(M,)``."""
        products = self.states[self.positions] * self.item_vectors[self.targets]
        return products.sum(1) + self.bias[self.targets]


class Loss(Protocol):
    """A loss: the mean over positions, a scalar; random draws come from torch's generator."""

    def __call__(self, batch: SequenceTargets) -> Tensor:
        """The loss of a batch."""
        ...
