"""The contract of the losses of sequence networks, and their input."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class WholeBatch(NamedTuple):
    """The batch that is divided among processes, of which one has the positions from `first` on.

    What is drawn at random is drawn for the whole batch, so that it does not depend on their number.
    """

    first: int
    n_positions: int
    targets: Tensor  # (M of the whole batch,) item codes


class SequenceTargets(NamedTuple):
    """The states of a batch at the positions that have targets, and the targets.

    The score of item ``j`` at position ``p`` is ``states[p] @ item_vectors[j] + bias[j]``. Of a batch
    that is divided among processes these are the states of one; `whole` is the batch then.
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
    whole: WholeBatch | None = None  # None: nothing is divided

    def score_of_targets(self) -> Tensor:
        """The score of each target at its position, shape ``(M,)``."""
        products = self.states[self.positions] * self.item_vectors[self.targets]
        return products.sum(1) + self.bias[self.targets]


class Loss(Protocol):
    """A loss: the mean over positions, a scalar; random draws come from torch's generator.

    A loss that draws does so for `SequenceTargets.whole`.
    """

    def __call__(self, batch: SequenceTargets) -> Tensor:
        """The loss of a batch."""
        ...
