"""NextItNet: dilated causal convolutions over whole histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from growthlab.core.errors import ConfigError
from growthlab.models.sequence_recommender import (
    SequenceRecommender,
    check_loss,
    check_positive,
    check_shares,
)
from growthlab.networks.losses.base import Loss
from growthlab.networks.losses.cross_entropy import CrossEntropy
from growthlab.networks.nextitnet_network import NextItNetwork
from growthlab.training.loop import Trainer


@dataclass(kw_only=True, eq=False)
class NextItNet(SequenceRecommender):
    """Yuan et al., "A Simple Convolutional Generative Network for Next Item Recommendation", WSDM 2019.

    Every basket of a history predicts the next; the embedding is tied, and the input of a basket is
    the mean of its items. A residual block holds two convolutions, dilated by one of `dilations` and by
    twice that; the list is repeated `blocks` times. A score depends on the latest
    ``1 + 3 (kernel - 1) blocks sum(dilations)`` baskets (91 by default), and never on more than
    `length`; longer histories are learned from in windows of `length` baskets.
    """

    width: int = 64
    kernel: int = 3
    dilations: Sequence[int] = (1, 2, 4, 8)
    blocks: int = 1
    dropout: float = 0.2
    output_dropout: float = 0.2
    length: int = 200
    ahead: int = 1
    event_types: bool = True
    loss: Loss = field(default_factory=CrossEntropy)
    trainer: Trainer = field(default_factory=lambda: Trainer(lr=0.004))

    def __post_init__(self) -> None:
        check_loss(self)
        self.check_content()
        check_positive(self, "width", "blocks", "length", "ahead")
        check_shares(self, "dropout", "output_dropout")
        if self.kernel < 2:
            raise ConfigError(
                f"model.kernel must be at least 2, got {self.kernel}: with 1 no step sees another"
            )
        if not len(self.dilations) or min(self.dilations) < 1:
            raise ConfigError(
                f"model.dilations must be one or more numbers from 1, got {list(self.dilations)}"
            )

    @property
    def reach(self) -> int:
        """How many of the latest baskets a score depends on."""
        return min(self.length, 1 + 3 * (self.kernel - 1) * self.blocks * sum(self.dilations))

    def build(self, n_items: int, n_event_types: int) -> NextItNetwork:
        """The untrained network."""
        return NextItNetwork(
            n_items,
            width=self.width,
            kernel=self.kernel,
            dilations=self.dilations,
            blocks=self.blocks,
            dropout=self.dropout,
            output_dropout=self.output_dropout,
            n_event_types=n_event_types,
        )
