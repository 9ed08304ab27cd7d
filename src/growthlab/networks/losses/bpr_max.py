"""BPR-max: the target against its negatives, the strongest of them counting most."""

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
    draw,
    mean_over_positions,
)

EPSILON = 1e-24  # of the paper's code: ln 0 where every negative is far above the target


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

    def __call__(self, given: SequenceTargets) -> Tensor:
        """The loss of a batch; see `Loss`."""
        items = draw(given, self.in_batch, self.negatives, self.alpha).items
        return mean_over_positions(given, items, self.of_part)

    def of_part(self, part: PositionBlock) -> Tensor:
        """Sum over positions of the weighted losses of their targets; 0 without a negative."""
        logits, targets = part.logits, part.scores
        if self.elu > 0:
            logits = functional.elu(logits, self.elu)
            targets = functional.elu(targets, self.elu)
        share = logits.masked_fill(part.own, NEVER).softmax(dim=1)
        share = share.masked_fill(part.own, 0.0)[part.rows]  # (T, C), all 0 without a negative
        rivals = logits[part.rows]
        won = (share * (targets[:, None] - rivals).sigmoid()).sum(1)
        squares = (share * rivals.square()).sum(1)
        compared = (~part.own.all(dim=1))[part.rows]
        losses = self.bpreg * squares - (won + EPSILON).log()
        return (part.weights * losses * compared).sum()
