"""Softmax cross-entropy over sampled items, corrected for their sampling probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from growthlab.networks.losses.base import SequenceTargets
from growthlab.networks.losses.shared_negatives import (
    NEVER,
    PositionBlock,
    check_draw,
    draw_negatives,
    mean_over_positions,
)


@dataclass(frozen=True)
class SampledSoftmax:
    """Bengio & Senecal, "Adaptive Importance Sampling to Accelerate Training", IEEE TNN 2008.

    As in Hidasi & Karatzoglou, "Recurrent Neural Networks with Top-k Gains for Session-based
    Recommendations", CIKM 2018, all positions share `in_batch` targets of the batch and `negatives`
    items drawn by ``support ** alpha`` (0: uniformly, 1: as popular as in the data).
    Each score, including the target's, enters as ``s_j - ln Q_j``, Q being the probability of the
    item in a draw. A drawn item that is one of the position's own targets is left out.
    """

    negatives: int = 1024
    in_batch: int = 256
    alpha: float = 0.5

    def __post_init__(self) -> None:
        check_draw(self.in_batch, self.negatives, self.alpha)

    def __call__(self, batch: SequenceTargets) -> Tensor:
        """The loss of a batch; see `Loss`."""
        items, probability = draw_negatives(batch, self.in_batch, self.negatives, self.alpha)
        # an item without support cannot be drawn with alpha > 0, but may be a target
        log_q = probability.clamp(min=torch.finfo(torch.float32).tiny).log()
        return mean_over_positions(batch, items, partial(softmax_loss, items=items, log_q=log_q))


def softmax_loss(block: PositionBlock, items: Tensor, log_q: Tensor) -> Tensor:
    """Sum over positions of ``sum_m w_m ln(1 + sum_j exp(s'_j) / exp(s'_m))``."""
    corrected = (block.logits - log_q[items]).masked_fill(block.own, NEVER)
    rivals = corrected.logsumexp(dim=1)  # (R,)
    targets = block.scores - log_q[block.targets]
    return (block.weights * functional.softplus(rivals[block.rows] - targets)).sum()
