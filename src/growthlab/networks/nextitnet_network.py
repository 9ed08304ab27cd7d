"""NextItNet's network: dilated causal convolutions over all baskets of a history."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from growthlab.networks.dropout import ByteMaskDropout
from growthlab.networks.sequence_network import SequenceNetwork


class NextItNetwork(SequenceNetwork):
    """Yuan et al., "A Simple Convolutional Generative Network for Next Item Recommendation", WSDM 2019.

    A residual block for each of `dilations`, the whole list `blocks` times over; the readout is
    tied to the item embedding. Missing steps before the first are zero.
    """

    def __init__(
        self,
        n_items: int,
        *,
        width: int,
        kernel: int,
        dilations: Sequence[int],
        blocks: int,
        dropout: float,
        output_dropout: float,
        n_event_types: int = 0,
    ) -> None:
        super().__init__(n_items, width, n_event_types, dropout)
        all_dilations = [*dilations] * blocks
        self.blocks = nn.ModuleList(ResidualBlock(width, kernel, d) for d in all_dilations)
        self.scale = width**0.5  # unit variance, as each block adds
        self.output_dropout = ByteMaskDropout(output_dropout)
        self.project = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def encode(self, steps: Tensor) -> Tensor:
        """See `SequenceNetwork.encode`."""
        x = steps * self.scale  # (B, S, D)
        for block in self.blocks:
            x = block(x)
        return self.project(self.output_dropout(x))


class ResidualBlock(nn.Module):
    """The input plus two normalised causal convolutions, dilated by `dilation` and twice that.

    The paper's block (b); it sees ``3 (kernel - 1) dilation`` steps back.
    """

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.first = CausalConvolution(width, kernel, dilation)
        self.first_norm = nn.LayerNorm(width)
        self.second = CausalConvolution(width, kernel, 2 * dilation)
        self.second_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, S, D) -> (B, S, D)``."""
        inner = functional.relu(self.first_norm(self.first(x)))
        return x + functional.relu(self.second_norm(self.second(inner)))


class CausalConvolution(nn.Module):
    """A convolution over a step and the ``kernel - 1`` steps `dilation` apart before it.

    Computed as one product with the steps concatenated, which needs no change of memory layout.
    """

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.linear = nn.Linear(kernel * width, width)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, S, D) -> (B, S, D)``; steps before the first are zero."""
        n_steps = x.shape[1]
        padded = functional.pad(x, (0, 0, (self.kernel - 1) * self.dilation, 0))
        starts = [i * self.dilation for i in range(self.kernel)]
        concatenated = torch.cat([padded[:, start : start + n_steps] for start in starts], dim=2)
        return self.linear(concatenated)  # (B, S, K D) -> (B, S, D)
