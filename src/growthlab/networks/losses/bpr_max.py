"""BPR-max: the target against its negatives, of which the strongest weigh most."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from growthlab.core.errors import ConfigError
from growthlab.networks.losses.base import SequenceTargets
from growthlab.networks.losses.shared_negatives import (
    NEVER,
    PositionBlock,
    check_draw,
    draw_negatives,
    mean_over_positions,
)

EPSILON = 1e-24  # as in the paper's code: avoids ln 0 if every negative is far above the target


@dataclass(frozen=True)
class BPRMax:
    """Hidasi & Karatzoglou, "Recurrent Neural Networks with Top-k Gains", CIKM 2018.

    ``L = -ln( sum_j softmax(s)_j sigmoid(s_i - s_j) + eps ) + bpreg sum_j softmax(s)_j s_j^2``, the
    softmax being over the negatives alone: `in_batch` targets of the batch and `negatives` items
    drawn by ``support ** alpha``, without the position's own targets. With `elu` above 0 the scores
    pass through an exponential linear unit of that size first.
    """

    negatives: int = 1024
    in_batch: int = 256
    alpha: float = 0.5
    bpreg: float = 1.0
    elu: float = 0.5

    def __post_init__(self) -> None:
        check_draw(self.in_batch, self.negatives, self.alpha)
        for name in ("bpreg", "elu"):
            if not getattr(self, name) >= 0:
                raise ConfigError(
                    f"model.loss.{name} must not be negative, got {getattr(self, name)}"
                )

    def __call__(self, batch: SequenceTargets) -> Tensor:
        """The loss of a batch; see `Loss`."""
        items = draw_negatives(batch, self.in_batch, self.negatives, self.alpha).items
        return mean_over_positions(batch, items, self.block_loss)

    def block_loss(self, block: PositionBlock) -> Tensor:
        """Sum over positions of the weighted losses of their targets; 0 without a negative."""
        logits, targets = block.logits, block.scores
        if self.elu > 0:
            logits = functional.elu(logits, self.elu)
            targets = functional.elu(targets, self.elu)
        softmax = logits.masked_fill(block.own, NEVER).softmax(dim=1)
        softmax = softmax.masked_fill(block.own, 0.0)[block.rows]  # (T, C); 0 without a negative
        rivals = logits[block.rows]
        win = (softmax * (targets[:, None] - rivals).sigmoid()).sum(1)
        squares = (softmax * rivals.square()).sum(1)
        has_negative = (~block.own.all(dim=1))[block.rows]
        losses = self.bpreg * squares - (win + EPSILON).log()
        return (block.weights * losses * has_negative).sum()
