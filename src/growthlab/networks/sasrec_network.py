"""SASRec's network: causal self-attention over baskets, read out through the item embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from growthlab.networks.dropout import ByteMaskDropout
from growthlab.networks.sequence_network import SequenceNetwork, state_at


class SASRecNetwork(SequenceNetwork):
    """Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018.

    Positions are learned and counted from the first basket read (0), so that rows need no padding
    on the left and all rows of a batch share them; a position that no training history reached
    adds nothing. A sequence may have at most `length` steps. Blocks are normalised before each part
    (pre-LN: Xiong et al., ICML 2020). Dropout applies to the input and to what each part adds, not
    to the attention weights, so that the fused attention can be used.
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
        self.scale = width**0.5  # unit variance of the input: Vaswani et al., NeurIPS 2017

    def encode(self, steps: Tensor) -> Tensor:
        """See `SequenceNetwork.encode`."""
        x = self.with_positions(steps)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def encode_at(self, steps: Tensor, places: Tensor) -> Tensor:
        """See `SequenceNetwork.encode_at`; the last block computes only the given steps."""
        x = self.with_positions(steps)
        *inner, last = self.blocks
        assert isinstance(last, Block)
        for block in inner:
            x = block(x)
        return self.norm(last.at(x, places))

    def with_positions(self, steps: Tensor) -> Tensor:
        """Scaled steps plus their positions, ``(B, S, D) -> (B, S, D)``."""
        places = torch.arange(steps.shape[1], device=steps.device)
        return steps * self.scale + self.positions(places) * self.scale


class Block(nn.Module):
    """Causal self-attention, then a feed-forward network for each step, both residual."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        self.dropout = ByteMaskDropout(dropout)
        for linear in (self.query_key_value, self.attended, self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, S, D) -> (B, S, D)``; padding is on the right, which no real step attends to."""
        heads = self.query_key_value(self.attention_norm(x)).unflatten(2, (3, self.heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (B, H, S, D / H)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.feed(x, mixed)

    def at(self, x: Tensor, places: Tensor) -> Tensor:
        """`forward` for one step a row, ``(B, S, D), (B,) -> (B, D)``."""
        width = x.shape[2]
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        normed = self.attention_norm(x)
        own = functional.linear(state_at(normed, places), weight[:width], bias[:width])  # (B, D)
        heads = functional.linear(normed, weight[width:], bias[width:])
        key, value = heads.unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query = own.unflatten(1, (self.heads, 1, -1))  # (B, H, 1, D / H)
        known = torch.arange(x.shape[1], device=x.device) <= places[:, None]  # (B, S)
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=known[:, None, None]
        )
        return self.feed(state_at(x, places)[:, None], mixed)[:, 0]

    def feed(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Add the attention's output, ``(B, H, S, D / H)``, to `x`, then the feed-forward network's."""
        x = x + self.dropout(self.attended(mixed.transpose(1, 2).flatten(2)))
        inner = functional.relu(self.inner(self.feed_norm(x)))
        return x + self.dropout(self.outer(self.dropout(inner)))
