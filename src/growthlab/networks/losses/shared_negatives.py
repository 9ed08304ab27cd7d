"""Negatives shared by all positions of a batch, as columns of logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from growthlab.core.errors import ConfigError
from growthlab.networks.losses.base import SequenceTargets

NEVER = -1e30  # the logit of a masked column: its exp is 0, and no gradient becomes NaN
LOGITS_AT_ONCE = 2_000_000  # positions times columns in memory at a time


class DrawnNegatives(NamedTuple):
    """Items drawn for a batch, and the probability of each item of the catalogue in one draw."""

    items: Tensor  # (C,) item codes, repeats possible
    probability: Tensor  # (n_items,) float32, sums to 1


class PositionBlock(NamedTuple):
    """Some positions of a batch with the logits of the shared columns."""

    logits: Tensor  # (R, C) the scores of the drawn items
    own: Tensor  # (R, C) bool: the column is one of the position's own targets
    rows: Tensor  # (T,) for each target of these positions, its row
    scores: Tensor  # (T,) the score of the target
    targets: Tensor  # (T,) item codes
    weights: Tensor  # (T,)


def check_draw(in_batch: int, negatives: int, alpha: float) -> None:
    """Raise a `ConfigError` for sizes or a power with which nothing can be drawn."""
    if in_batch < 0 or negatives < 0 or in_batch + negatives < 1:
        raise ConfigError(
            "model.loss.in_batch and model.loss.negatives must be 0 or more and not both 0, "
            f"got {in_batch} and {negatives}"
        )
    if not 0 <= alpha <= 1:
        raise ConfigError(f"model.loss.alpha must be in [0, 1], got {alpha}")


def draw_negatives(
    batch: SequenceTargets, in_batch: int, negatives: int, alpha: float
) -> DrawnNegatives:
    """`in_batch` of the batch's targets, and `negatives` further items drawn by ``support ** alpha``.

    A batch with fewer targets than `in_batch` gives all of them. An item may be drawn in either way:
    its probability is the mean of both, weighted by the number of draws.
    """
    device = batch.states.device
    targets = batch.targets if batch.whole is None else batch.whole.targets
    places = torch.randperm(len(targets), device=device)[:in_batch]
    by_support = batch.support / batch.support.sum()
    powers = batch.support**alpha
    by_power = powers / powers.sum()
    uniform = torch.rand(negatives, dtype=torch.float64, device=device)
    more = torch.searchsorted(by_power.cumsum(0), uniform).clamp(max=len(by_power) - 1)
    items = torch.cat([targets[places], more])
    mixed = by_support * len(places) + by_power * negatives
    return DrawnNegatives(items, (mixed / len(items)).float())


def mean_over_positions(
    batch: SequenceTargets,
    items: Tensor,
    block_loss: Callable[[PositionBlock], Tensor],
) -> Tensor:
    """The mean over positions of a loss, from `block_loss`, its sum over a block of positions.

    Each block's gradient is computed together with its loss, so that memory does not grow with
    positions times columns.
    """
    columns, column_bias = batch.item_vectors[items], batch.bias[items]
    scores = batch.score_of_targets()
    return _InChunks.apply(batch.states, columns, column_bias, scores, batch, items, block_loss)


class _InChunks(torch.autograd.Function):
    """The mean of `block_loss`, with its gradient computed block by block in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        columns: Tensor,
        column_bias: Tensor,
        scores: Tensor,
        batch: SequenceTargets,
        items: Tensor,
        block_loss: Callable[[PositionBlock], Tensor],
    ) -> Tensor:
        n_rows = max(1, LOGITS_AT_ONCE // len(items))
        total = states.new_zeros(())
        grads = [torch.zeros_like(x) for x in (states, columns, column_bias, scores)]
        borders = torch.arange(0, len(states) + n_rows, n_rows, device=states.device)
        targets_until = torch.searchsorted(batch.positions, borders).tolist()
        for i, start in enumerate(range(0, len(states), n_rows)):
            rows, own_targets = slice(start, start + n_rows), slice(*targets_until[i : i + 2])
            with torch.enable_grad():
                leaves = [
                    x.detach().requires_grad_()
                    for x in (states[rows], columns, column_bias, scores[own_targets])
                ]
                logits = torch.addmm(leaves[2], leaves[0], leaves[1].T)  # (R, C)
                places, targets = batch.positions[own_targets] - start, batch.targets[own_targets]
                hits = (targets[:, None] == items).to(torch.int8)  # (T, C)
                own = torch.zeros_like(logits, dtype=torch.int8).index_add_(0, places, hits) > 0
                block = PositionBlock(
                    logits, own, places, leaves[3], targets, batch.weights[own_targets]
                )
                value = block_loss(block)
            total += value.detach()
            by_leaf = torch.autograd.grad(value, leaves)
            grads[0][rows], grads[3][own_targets] = by_leaf[0], by_leaf[3]
            grads[1] += by_leaf[1]
            grads[2] += by_leaf[2]
        ctx.save_for_backward(*grads)
        return total / len(states)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grads_of_inputs = ctx.saved_tensors
        scale = grads[0] / len(grads_of_inputs[0])
        return (*(g * scale for g in grads_of_inputs), None, None, None)
