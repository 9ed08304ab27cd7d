"""Losses of the networks, over the whole catalogue and within a bounded memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LOGITS_AT_ONCE = 8_000_000  # 32 MB of float32: what one chunk of positions may hold


def catalogue_cross_entropy(
    states: Tensor,
    item_vectors: Tensor,
    bias: Tensor,
    positions: Tensor,
    targets: Tensor,
    weights: Tensor,
    logits_at_once: int = LOGITS_AT_ONCE,
) -> Tensor:
    """Softmax cross-entropy over all items, mean over positions of several targets each.

    ``L = 1/P sum_p [ logsumexp_j s_pj - sum_m w_m s_(p, i_m) ]`` with ``s = states @
    item_vectors.T + bias`` and weights that sum to 1 a position: one logsumexp a position,
    gathered for all its targets.

    Parameters
    ----------
    states : (P, D), the state at each position.
    item_vectors, bias : (n_items, D) and (n_items,).
    positions, targets, weights : (M,), row of `states`, item code and weight of each target.
    logits_at_once : how many logits exist at a time; memory does not grow with P times n_items.
    """
    normaliser = _MeanLogSumExp.apply(states, item_vectors, bias, logits_at_once)
    of_targets = (states[positions] * item_vectors[targets]).sum(1) + bias[targets]  # (M,)
    return normaliser - (weights * of_targets).sum() / len(states)


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
