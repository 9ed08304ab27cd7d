"""A perceptron over a row of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from growthlab.networks.dropout import ByteMaskDropout


class Tower(nn.Module):
    """Hidden layers of the given widths with ReLU and dropout, and a linear output."""

    def __init__(
        self, n_inputs: int, hidden: Sequence[int], n_outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([n_inputs, *hidden]))
        self.output = nn.Linear([n_inputs, *hidden][-1], n_outputs)
        self.dropout = ByteMaskDropout(dropout)
        for layer in self.hidden:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.output.weight)  # initially every row gets the output's bias

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_inputs) -> (B, n_outputs)``."""
        for layer in self.hidden:
            x = self.dropout(torch.relu(layer(x)))
        return self.output(x)
