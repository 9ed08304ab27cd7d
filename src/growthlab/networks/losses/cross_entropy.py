"""Softmax cross-entropy over the whole catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from growthlab.networks.losses.base import Foretold

LOGITS_AT_ONCE = 8_000_000  # 32 MB of float32: what one chunk of positions may hold


@dataclass(frozen=True)
class CrossEntropy:
    """Every item of the catalogue is a negative: no sampling, and nothing to set."""

    def __call__(self, given: Foretold) -> Tensor:
        """See `catalogue_cross_entropy`."""
        return catalogue_cross_entropy(given)


def catalogue_cross_entropy(given: Foretold, logits_at_once: int = LOGITS_AT_ONCE) -> Tensor:
    """Softmax cross-entropy over all items, mean over positions of several targets each.

    ``L = 1/P sum_p [ logsumexp_j s_pj - sum_m w_m s_(p, i_m) ]`` with scores ``s`` and weights that
    sum to 1 a position: one logsumexp a position, gathered for all its targets. `logits_at_once`
    is how many logits exist at a time; memory does not grow with P times n_items.
    """
    states, item_vectors, bias = given.states, given.item_vectors, given.bias
    normaliser = _MeanLogSumExp.apply(states, item_vectors, bias, logits_at_once)
    return normaliser - (given.weights * given.score_of_targets()).sum() / len(states)


class _MeanLogSumExp(torch.autograd.Function):
    """Mean over rows of ``logsumexp(states @ item_vectors.T + bias)``.

    The gradient is taken chunk by chunk while the logits are at hand, so they are never kept or
    made twice.
    """

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, item_vectors: Tensor, bias: Tensor, at_once: int
    ) -> Tensor:
        rows = max(1, at_once // len(item_vectors))
        total = states.new_zeros(())
        by_states = torch.empty_like(states)
        by_items = torch.zeros_like(item_vectors)
        by_bias = torch.zeros_like(bias)
        for start in range(0, len(states), rows):
            chunk = states[start : start + rows]
            logits = torch.addmm(bias, chunk, item_vectors.T)  # (rows, n_items)
            highest = logits.max(dim=1, keepdim=True).values
            softmax = logits.sub_(highest).exp_()
            mass = softmax.sum(dim=1, keepdim=True)
            total += (highest + mass.log()).sum()
            softmax.div_(mass)
            torch.mm(softmax, item_vectors, out=by_states[start : start + rows])
            by_items.addmm_(softmax.T, chunk)
            by_bias.add_(softmax.sum(dim=0))
        ctx.save_for_backward(by_states, by_items, by_bias)
        return total / len(states)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        by_states, by_items, by_bias = ctx.saved_tensors
        scale = grads[0] / len(by_states)
        return by_states * scale, by_items * scale, by_bias * scale, None
