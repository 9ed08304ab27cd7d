"""GRU4Rec's network: a gated recurrent unit over baskets, read out through the item embedding."""

from __future__ import annotations

from torch import Tensor, nn

from growthlab.networks.dropout import ByteMaskDropout
from growthlab.networks.sequence_network import SequenceNetwork


class GRUNetwork(SequenceNetwork):
    """Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016.

    The readout is tied to the item embedding (`state` is projected to `width`). Every row starts
    from a zero state and is one user, so that no state passes from user to user.
    """

    def __init__(
        self,
        n_items: int,
        *,
        width: int,
        state: int,
        layers: int,
        dropout: float,
        output_dropout: float,
        n_event_types: int = 0,
    ) -> None:
        super().__init__(n_items, width, n_event_types, dropout)
        between = output_dropout if layers > 1 else 0.0  # torch applies it between layers only
        self.divides_rows = between == 0
        self.gru = nn.GRU(width, state, num_layers=layers, dropout=between, batch_first=True)
        self.output_dropout = ByteMaskDropout(output_dropout)
        self.project = nn.Linear(state, width)
        initialise(self.gru)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def encode(self, steps: Tensor) -> Tensor:
        """See `SequenceNetwork.encode`."""
        hidden, _ = self.gru(steps)  # (B, S, D) -> (B, S, H)
        return self.project(self.output_dropout(hidden))  # (B, S, H) -> (B, S, D)


def initialise(gru: nn.GRU) -> None:
    """Glorot's uniform initialisation for each of the three gates separately; biases zero."""
    for name, weight in gru.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(weight)
        else:
            for gate in weight.detach().chunk(3):
                nn.init.xavier_uniform_(gate)
