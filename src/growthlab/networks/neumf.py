"""NeuMF's network: a product of factors beside a perceptron over a pair of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from growthlab.networks.dropout import Dropout


class NeuMFNetwork(nn.Module):
    """He et al., "Neural Collaborative Filtering", WWW 2017: GMF and MLP, one last layer.

    `layers` are the widths of the perceptron; the first is twice the width of its user and item
    vectors.
    """

    def __init__(
        self, n_users: int, n_items: int, *, factors: int, layers: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.user_factors = nn.Embedding(n_users, factors)
        self.item_factors = nn.Embedding(n_items, factors)
        self.user_vectors = nn.Embedding(n_users, layers[0] // 2)
        self.item_vectors = nn.Embedding(n_items, layers[0] // 2)
        self.tower = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(layers))
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(factors + layers[-1], 1)
        for embedding in (
            self.user_factors,
            self.item_factors,
            self.user_vectors,
            self.item_vectors,
        ):
            nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5 / 2)
        for layer in (*self.tower, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """The logit of each pair, ``(N,), (N,) -> (N,)``: what training needs."""
        product = self.user_factors(users) * self.item_factors(items)  # (N, F)
        x = torch.cat([self.user_vectors(users), self.item_vectors(items)], dim=1)
        for layer in self.tower:
            x = self.dropout(torch.relu(layer(x)))
        return self.output(torch.cat([product, x], dim=1)).squeeze(1)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """The logits of every user with every item, ``(B,), (M,) -> (B, M)``: what scoring needs.

        Equal to `pairs`; the perceptron's first layer, being linear, is computed once a user and
        once an item.
        """
        n_factors = self.user_factors.embedding_dim
        of_product, of_tower = self.output.weight[0, :n_factors], self.output.weight[0, n_factors:]
        product = (self.user_factors(users) * of_product) @ self.item_factors(items).T  # (B, M)
        first, *rest = cast("list[nn.Linear]", list(self.tower))
        n_user = self.user_vectors.embedding_dim
        left, right = first.weight[:, :n_user], first.weight[:, n_user:]
        user_part = self.user_vectors(users) @ left.T + first.bias  # (B, H)
        item_part = self.item_vectors(items) @ right.T  # (M, H)
        x = torch.relu(user_part.unsqueeze(1) + item_part.unsqueeze(0))  # (B, M, H)
        for layer in rest:
            x = torch.relu(layer(x))
        return product + x @ of_tower + self.output.bias
