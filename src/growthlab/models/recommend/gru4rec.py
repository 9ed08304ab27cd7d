"""GRU4Rec: a recurrent network over whole histories, one prediction after each basket."""

from __future__ import annotations

from dataclasses import dataclass, field

from growthlab.models.sequence_recommender import (
    SequenceRecommender,
    check_loss,
    check_positive,
    check_shares,
)
from growthlab.networks.gru_network import GRUNetwork
from growthlab.networks.losses.base import Loss
from growthlab.networks.losses.cross_entropy import CrossEntropy
from growthlab.training.loop import Trainer


@dataclass(kw_only=True, eq=False)
class GRU4Rec(SequenceRecommender):
    """Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016.

    The objective is cross-entropy over the full catalogue at every basket of whole histories (never
    one sample a prefix), the embedding is tied. A basket enters as the mean of its items, as in Yu
    et al., "A Dynamic Recurrent Model for Next Basket Recommendation", SIGIR 2016, so that its
    inner order cannot be learned; with baskets of one item and ``ahead=1`` it is the ordinary
    model. `width` is the embedding's, `state` the recurrent unit's; `event_types` adds a vector of
    the event type to the input. Longer histories are learned from in windows of `length` baskets,
    scored by the latest.
    """

    width: int = 32
    state: int = 64
    layers: int = 1
    dropout: float = 0.2
    output_dropout: float = 0.2
    length: int = 200
    ahead: int = 1
    event_types: bool = True
    loss: Loss = field(default_factory=CrossEntropy)
    trainer: Trainer = field(default_factory=lambda: Trainer(lr=0.01, threads=1))

    def __post_init__(self) -> None:
        check_positive(self, "width", "state", "layers", "length", "ahead")
        check_loss(self)
        self.check_content()
        check_shares(self, "dropout", "output_dropout")

    def build(self, n_items: int, n_event_types: int) -> GRUNetwork:
        """The untrained network."""
        return GRUNetwork(
            n_items,
            width=self.width,
            state=self.state,
            layers=self.layers,
            dropout=self.dropout,
            output_dropout=self.output_dropout,
            n_event_types=n_event_types,
        )
