"""SASRec's network: causal self-attention over baskets, read out through the item embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from growthlab.networks.dropout import Dropout
from growthlab.networks.sequence import SequenceNetwork


class SASRecNetwork(SequenceNetwork):
    """Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018.

    Positions are learned and counted from the first basket that is read (0), so a row needs no
    padding on its left and all rows of a batch share them; a position that no training history
    reached adds nothing. No sequence may have more than `length` steps. Blocks are normalised
    before each part (pre-LN: Xiong et al., ICML 2020). Dropout is on the input and on what each
    part adds, not on the attention weights, so that the fused attention can be used.
    """

    def __init__(
        self,
        n_items: int,
        *,
        width: int,
        blocks: int,
        heads: int,
        length: int,
        dropout: float,
        block_dropout: float,
        n_event_types: int = 0,
    ) -> None:
        super().__init__(n_items, width, n_event_types, dropout)
        self.positions = nn.Embedding(length, width)
        nn.init.zeros_(self.positions.weight)
        self.blocks = nn.ModuleList(Block(width, heads, block_dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.scale = width**0.5  # Vaswani et al., NeurIPS 2017: unit variance goes in

    def encode(self, steps: Tensor) -> Tensor:
        places = torch.arange(steps.shape[1], device=steps.device)
        x = steps * self.scale + self.positions(places) * self.scale  # (B, S, D)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Block(nn.Module):
    """Causal self-attention, then a feed-forward net a step, each added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        self.dropout = Dropout(dropout)
        for linear in (self.query_key_value, self.attended, self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, S, D) -> (B, S, D)``; padding is on the right, where no real step looks."""
        x = x + self.dropout(self.attend(self.attention_norm(x)))
        inner = functional.relu(self.inner(self.feed_norm(x)))
        return x + self.dropout(self.outer(self.dropout(inner)))

    def attend(self, x: Tensor) -> Tensor:
        """Each step's weighted mean of itself and the steps before, ``(B, S, D) -> (B, S, D)``."""
        heads = self.query_key_value(x).unflatten(2, (3, self.heads, -1))  # (B, S, 3, H, D / H)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (B, H, S, D / H)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.attended(mixed.transpose(1, 2).flatten(2))
