"""Binary cross-entropy with sampled negatives, plain and generalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from growthlab.core.errors import ConfigError
from growthlab.networks.losses.base import SequenceTargets
from growthlab.networks.negative_sampling import unseen_negatives

VECTORS_AT_ONCE = 100_000  # vectors of negatives in memory at a time


@dataclass(frozen=True)
class GBCE:
    """Petrov & Macdonald, "gSASRec: Reducing Overconfidence in Sequential Recommendation", RecSys 2023.

    ``L = -[ beta ln sigmoid(s+) + sum_k ln(1 - sigmoid(s-)) ] / (negatives + 1)``, with
    ``alpha = negatives / (n_items - 1)`` and ``beta = alpha (t (1 - 1/alpha) + 1/alpha)``.
    ``t=1`` gives calibrated probabilities; ``t=0`` is the plain binary cross-entropy, and with
    ``negatives=1`` the loss of Kang & McAuley, ICDM 2018. Each position has its own negatives,
    uniform over the items that its user never had.
    """

    negatives: int = 256
    t: float = 0.75

    def __post_init__(self) -> None:
        if self.negatives < 1:
            raise ConfigError(f"model.loss.negatives must be at least 1, got {self.negatives}")
        if not 0 <= self.t <= 1:
            raise ConfigError(f"model.loss.t must be in [0, 1], got {self.t}")

    def __call__(self, batch: SequenceTargets) -> Tensor:
        """The loss of a batch; see `Loss`."""
        win = functional.logsigmoid(batch.score_of_targets())
        positive = (batch.weights * win).sum() / len(batch.states)
        negative = _MeanOverNegatives.apply(
            batch.states, batch.item_vectors, batch.bias, batch, self.negatives
        )
        beta = beta_of(self.negatives, self.t, len(batch.item_vectors))
        return (negative - beta * positive) / (self.negatives + 1)


def beta_of(negatives: int, t: float, n_items: int) -> float:
    """The power of the positive's probability; 1 at ``t=0``, the sampling rate at ``t=1``."""
    alpha = min(1.0, negatives / max(1, n_items - 1))
    return alpha * (t * (1 - 1 / alpha) + 1 / alpha)


class _MeanOverNegatives(torch.autograd.Function):
    """Mean over positions of ``-sum_k ln(1 - sigmoid(s_k))``; computes its gradient in `forward`."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        item_vectors: Tensor,
        bias: Tensor,
        batch: SequenceTargets,
        n_negatives: int,
    ) -> Tensor:
        n_rows = max(1, VECTORS_AT_ONCE // n_negatives)
        first, n_positions = (0, len(states)) if batch.whole is None else batch.whole[:2]
        total = states.new_zeros(())
        by_states = torch.empty_like(states)
        by_items, by_bias = torch.zeros_like(item_vectors), torch.zeros_like(bias)
        for start in range(0, n_positions, n_rows):
            end = min(start + n_rows, n_positions)
            uniform = torch.rand(
                end - start, n_negatives, dtype=torch.float64, device=states.device
            )
            own = slice(max(start, first), min(end, first + len(states)))
            if own.start >= own.stop:
                continue
            place = slice(own.start - first, own.stop - first)
            rows = states[place]
            drawn, is_drawn = unseen_negatives(
                batch.users[place],
                uniform[own.start - start : own.stop - start],
                len(item_vectors),
                batch.owned,
                batch.owned_until,
            )
            vectors = item_vectors[drawn]  # (R, K, D)
            scores = torch.bmm(vectors, rows.unsqueeze(2)).squeeze(2) + bias[drawn]  # (R, K)
            total += (functional.softplus(scores) * is_drawn).sum()
            slope = scores.sigmoid() * is_drawn
            by_states[place] = torch.bmm(slope.unsqueeze(1), vectors).squeeze(1)
            of_vectors = slope.unsqueeze(2) * rows.unsqueeze(1)  # (R, K, D)
            by_items.index_add_(0, drawn.flatten(), of_vectors.flatten(0, 1))
            by_bias.index_add_(0, drawn.flatten(), slope.flatten())
        ctx.save_for_backward(by_states, by_items, by_bias)
        return total / len(states)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        by_states, by_items, by_bias = ctx.saved_tensors
        scale = grads[0] / len(by_states)
        return by_states * scale, by_items * scale, by_bias * scale, None, None
