"""Factors of users and items with an item bias: plain matrix factorisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn


class FactorNetwork(nn.Module):
    """``user . item + bias of the item``: plain matrix factorisation."""

    rows_of: ClassVar[Mapping[str, str]] = {
        "users.weight": "users",
        "items.weight": "items",
        "bias.weight": "items",
    }

    def __init__(self, n_users: int, n_items: int, *, width: int) -> None:
        super().__init__()
        self.users = nn.Embedding(n_users, width)
        self.items = nn.Embedding(n_items, width)
        self.bias = nn.Embedding(n_items, 1)
        for embedding in (self.users, self.items):
            nn.init.normal_(embedding.weight, std=0.1 * width**-0.5)
        nn.init.zeros_(self.bias.weight)

    def forward(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of each user with their own row of items, ``(B,), (B, G) -> (B, G)``, and the factors.

        The factors of users and items are ``(B, D)`` and ``(B, G, D)``.
        """
        w, h = self.users(users), self.items(items)
        scores = (h @ w.unsqueeze(2)).squeeze(2) + self.bias(items).squeeze(2)
        return scores, w, h
