"""Small batches to judge losses by, and the plain gradients of a plain loss."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import torch
from torch import Tensor

from growthlab.networks.losses.base import SequenceTargets

OWNED = [[0, 2, 3, 7], [1, 2], [4, 5, 6, 19]]  # of three users


def batch(n_items: int = 20, width: int = 5, dtype: torch.dtype = torch.float32) -> SequenceTargets:
    """Seven positions of three users with one to three targets each, random states and vectors."""
    random = torch.Generator().manual_seed(1)
    positions = torch.tensor([0, 0, 1, 2, 3, 3, 3, 4, 5, 6])
    targets = torch.tensor([2, 3, 7, 0, 1, 2, 1, 4, 5, 19])
    counts = positions.bincount()
    made = SequenceTargets(
        states=torch.randn(7, width, generator=random),
        item_vectors=torch.randn(n_items, width, generator=random),
        bias=torch.randn(n_items, generator=random),
        positions=positions,
        targets=targets,
        weights=1 / counts[positions],
        users=torch.tensor([0, 0, 0, 1, 2, 2, 2]),
        owned=torch.tensor(list(chain(*OWNED))),
        owned_until=torch.tensor([0, 4, 6, 10]),
        support=torch.randint(1, 9, (n_items,), generator=random).double(),
    )
    return made._replace(**{n: getattr(made, n).to(dtype) for n in LEARNED})


LEARNED = ("states", "item_vectors", "bias")


def one_position(scores: list[float], target: int) -> SequenceTargets:
    """One position with these scores of all items, and one target."""
    n = len(scores)
    return SequenceTargets(
        states=torch.tensor([scores]),
        item_vectors=torch.eye(n),
        bias=torch.zeros(n),
        positions=torch.tensor([0]),
        targets=torch.tensor([target]),
        weights=torch.ones(1),
        users=torch.tensor([0]),
        owned=torch.tensor([target]),
        owned_until=torch.tensor([0, 1]),
        support=torch.ones(n, dtype=torch.float64),
    )


def value_and_gradients(
    loss: Callable[[SequenceTargets], Tensor], given: SequenceTargets
) -> list[Tensor]:
    """Three times the loss, and its gradients by states, item vectors and bias."""
    leaves = {n: getattr(given, n).clone().requires_grad_() for n in LEARNED}
    value = 3 * loss(given._replace(**leaves))
    return [value.detach(), *torch.autograd.grad(value, list(leaves.values()))]
