"""Caser's network: convolutions over the latest baskets, without the customer's own vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from growthlab.networks.dropout import ByteMaskDropout
from growthlab.networks.sequence_network import SequenceNetwork


class CaserNetwork(SequenceNetwork):
    """Convolution filters over the steps of a sequence, treated as an image.

    Tang & Wang, "Personalized Top-N Sequential Recommendation via Convolutional Sequence
    Embedding", WSDM 2018.

    The latest `window` steps form an image ``window x width``; missing steps are zero rows on its
    left. There are `horizontal` filters of each height 1..`window`, max-pooled over time;
    `vertical` filters are weighted sums of the steps. All windows of a user are computed at once,
    by convolving and pooling along the whole sequence: each step is convolved once, not once a
    window. The user vector of the paper is left out, so that unseen users can be scored.
    """

    def __init__(
        self,
        n_items: int,
        *,
        width: int,
        window: int,
        horizontal: int,
        vertical: int,
        dropout: float,
        output_dropout: float,
        n_event_types: int = 0,
    ) -> None:
        super().__init__(n_items, width, n_event_types, dropout)
        self.window = window
        heights = range(1, window + 1)
        self.horizontal = nn.ModuleList(nn.Conv1d(width, horizontal, height) for height in heights)
        self.vertical = nn.Conv2d(1, vertical, (window, 1))
        self.output_dropout = ByteMaskDropout(output_dropout)
        self.project = nn.Linear(horizontal * window + vertical * width, width)

    def encode(self, steps: Tensor) -> Tensor:
        """See `SequenceNetwork.encode`."""
        padded = functional.pad(steps, (0, 0, self.window - 1, 0))  # (B, S + L - 1, D)
        signal = padded.transpose(1, 2)  # (B, D, S + L - 1)
        features = []
        for height, convolution in enumerate(self.horizontal, start=1):
            responses = functional.relu(convolution(signal))  # (B, n_h, S + L - height)
            features.append(functional.max_pool1d(responses, self.window - height + 1, stride=1))
        weighted = self.vertical(padded.unsqueeze(1))  # (B, n_v, S, D)
        features.append(weighted.transpose(2, 3).flatten(1, 2))  # (B, n_v * D, S)
        image = torch.cat(features, dim=1).transpose(1, 2)  # (B, S, n_h * L + n_v * D)
        return functional.relu(self.project(self.output_dropout(image)))
