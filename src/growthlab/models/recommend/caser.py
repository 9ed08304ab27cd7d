"""Caser: convolutions over the latest baskets, treated as an image."""

from __future__ import annotations

from dataclasses import dataclass, field

from growthlab.models.sequence_recommender import (
    SequenceRecommender,
    check_loss,
    check_positive,
    check_shares,
)
from growthlab.networks.caser_network import CaserNetwork
from growthlab.networks.losses.base import Loss
from growthlab.networks.losses.cross_entropy import CrossEntropy
from growthlab.training.loop import Trainer


@dataclass(kw_only=True, eq=False)
class Caser(SequenceRecommender):
    """Personalized top-N recommendation via convolutional sequence embedding, without user vectors.

    Tang & Wang, "Personalized Top-N Sequential Recommendation via Convolutional Sequence
    Embedding", WSDM 2018.

    The variant without the paper's user vector, so that unseen users can be scored. `window`
    is the paper's L (baskets in the image; a score depends on no more), `ahead` its T (how many of
    the next baskets are targets), `horizontal` and `vertical` are filters, of each height
    1..`window` and in all. Cross-entropy over the full catalogue at every basket in place of
    sampled binary cross-entropy, tied embedding; a basket enters as the mean of its items.
    Longer histories are learned from in windows of `length` baskets.
    """

    width: int = 32
    window: int = 5
    ahead: int = 3
    horizontal: int = 8
    vertical: int = 4
    dropout: float = 0.1
    output_dropout: float = 0.3
    length: int = 200
    event_types: bool = True
    loss: Loss = field(default_factory=CrossEntropy)
    trainer: Trainer = field(default_factory=lambda: Trainer(lr=0.01))

    def __post_init__(self) -> None:
        check_positive(self, "width", "window", "ahead", "horizontal", "vertical", "length")
        check_loss(self)
        self.check_content()
        check_shares(self, "dropout", "output_dropout")

    @property
    def reach(self) -> int:
        """How many of the latest baskets a score depends on."""
        return self.window

    def build(self, n_items: int, n_event_types: int) -> CaserNetwork:
        """The untrained network."""
        return CaserNetwork(
            n_items,
            width=self.width,
            window=self.window,
            horizontal=self.horizontal,
            vertical=self.vertical,
            dropout=self.dropout,
            output_dropout=self.output_dropout,
            n_event_types=n_event_types,
        )
