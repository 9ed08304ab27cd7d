"""NeuMF's network: a product of factors combined with a perceptron over two vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from growthlab.networks.dropout import ByteMaskDropout


class NeuMFNetwork(nn.Module):
    """He et al., "Neural Collaborative Filtering", WWW 2017: GMF and MLP, one last layer.

    `layers` are the widths of the perceptron; the first is twice the width of its user and item
    vectors.
    """

    rows_of: ClassVar[Mapping[str, str]] = {
        "user_factors.weight": "users",
        "user_vectors.weight": "users",
        "item_factors.weight": "items",
        "item_vectors.weight": "items",
    }

    def __init__(
        self, n_users: int, n_items: int, *, factors: int, layers: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.user_factors = nn.Embedding(n_users, factors)
        self.item_factors = nn.Embedding(n_items, factors)
        self.user_vectors = nn.Embedding(n_users, layers[0] // 2)
        self.item_vectors = nn.Embedding(n_items, layers[0] // 2)
        self.tower = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(layers))
        self.dropout = ByteMaskDropout(dropout)
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

    def own_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """Logits of each user with their own row of items, ``(B,), (B, G) -> (B, G)``, for training.

        The perceptron's first layer is linear, so its parts are computed once a user and once an
        item; for the whole catalogue if the batch has more items than that.
        """
        product = self._product(users).unsqueeze(1) @ self.item_factors(items).transpose(1, 2)
        if items.numel() > self.item_vectors.num_embeddings:
            part = functional.embedding(items, self._item_part(self.item_vectors.weight))
        else:
            part = self._item_part(self.item_vectors(items))
        return product.squeeze(1) + self._tower(self._user_part(users), part)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Logits of every user with every item, ``(B,), (M,) -> (B, M)``, for scoring."""
        product = self._product(users) @ self.item_factors(items).T  # (B, M)
        part = self._item_part(self.item_vectors(items)).unsqueeze(0)  # (1, M, H)
        return product + self._tower(self._user_part(users), part)

    def _product(self, users: Tensor) -> Tensor:
        """User factors times the output's weights, ``(B,) -> (B, F)``."""
        return self.user_factors(users) * self.output.weight[0, : self.user_factors.embedding_dim]

    def _user_part(self, users: Tensor) -> Tensor:
        """The user part of the first layer, including its bias, ``(B,) -> (B, 1, H)``."""
        first, vectors = cast("nn.Linear", self.tower[0]), self.user_vectors(users)
        return (vectors @ first.weight[:, : vectors.shape[1]].T + first.bias).unsqueeze(1)

    def _item_part(self, vectors: Tensor) -> Tensor:
        """The item part of the first layer, ``(..., D) -> (..., H)``."""
        first = cast("nn.Linear", self.tower[0])
        return vectors @ first.weight[:, -vectors.shape[-1] :].T

    def _tower(self, user_part: Tensor, item_part: Tensor) -> Tensor:
        """The perceptron's part of the logits, ``(B, 1, H), (B or 1, G, H) -> (B, G)``."""
        x = self.dropout(torch.relu(user_part + item_part))
        for layer in list(self.tower)[1:]:
            x = self.dropout(torch.relu(layer(x)))
        return x @ self.output.weight[0, self.user_factors.embedding_dim :] + self.output.bias
