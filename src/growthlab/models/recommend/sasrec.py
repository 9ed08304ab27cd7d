"""SASRec: self-attention over whole histories, one prediction after each basket."""

from __future__ import annotations

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
from growthlab.networks.sasrec_network import SASRecNetwork
from growthlab.training.loop import Trainer


@dataclass(kw_only=True, eq=False)
class SASRec(SequenceRecommender):
    """Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018.

    Trained by cross-entropy over the full catalogue, which Klenitskiy & Vasilev, "Turning Dross
    Into Gold Loss", RecSys 2023, show to be what it needs; the embedding is tied. A basket enters
    as the mean of its items. `width` is the embedding's and that of all layers, `heads` divide it.
    Longer histories are learned from in windows of `length` baskets, scored by the latest, and
    positions are counted from the first of them.
    """

    width: int = 64
    blocks: int = 2
    heads: int = 1
    dropout: float = 0.2
    block_dropout: float = 0.2
    length: int = 200
    ahead: int = 1
    event_types: bool = True
    loss: Loss = field(default_factory=CrossEntropy)
    trainer: Trainer = field(default_factory=lambda: Trainer(lr=0.004))

    def __post_init__(self) -> None:
        check_positive(self, "width", "blocks", "heads", "length", "ahead")
        check_loss(self)
        self.check_content()
        check_shares(self, "dropout", "block_dropout")
        if self.width % self.heads:
            raise ConfigError(
                f"model.width must be a multiple of model.heads ({self.heads}), got {self.width}"
            )

    def build(self, n_items: int, n_event_types: int) -> SASRecNetwork:
        """The untrained network."""
        return SASRecNetwork(
            n_items,
            width=self.width,
            blocks=self.blocks,
            heads=self.heads,
            length=self.length,
            dropout=self.dropout,
            block_dropout=self.block_dropout,
            n_event_types=n_event_types,
        )
