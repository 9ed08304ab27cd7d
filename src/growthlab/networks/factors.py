"""Factors of users and items with an item bias: plain matrix factorisation."""

from __future__ import annotations

from torch import Tensor, nn


class FactorNetwork(nn.Module):
    """``user . item + bias of the item`` for pairs of codes."""

    def __init__(self, n_users: int, n_items: int, *, width: int) -> None:
        super().__init__()
        self.users = nn.Embedding(n_users, width)
        self.items = nn.Embedding(n_items, width)
        self.bias = nn.Embedding(n_items, 1)
        for embedding in (self.users, self.items):
            nn.init.normal_(embedding.weight, std=0.1 * width**-0.5)
        nn.init.zeros_(self.bias.weight)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """The score of each pair, ``(N,), (N,) -> (N,)``."""
        product = (self.users(users) * self.items(items)).sum(dim=1)
        return product + self.bias(items).squeeze(1)
