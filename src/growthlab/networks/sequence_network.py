"""The base of all sequence networks: baskets in, a state a basket, scores of the catalogue out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from growthlab.networks.content_embedding import ContentEmbedding
from growthlab.networks.dropout import ByteMaskDropout
from growthlab.networks.rows_side_by_side import rows_side_by_side


class SequenceNetwork(nn.Module):
    """Item embedding pooled over each basket, `encode`, comparison with the same embedding.

    The input is ragged, so that no padding is embedded: each event's item and type (``(N,)``) and
    its slot ``row * n_steps + step`` in `sizes` (``(B, S)``: events a step, 0 is padding on the
    right). A step is the mean of its events' vectors, so that their order inside a basket cannot
    matter; a basket of one item is that item's vector. Subclasses define `encode`, which must be
    causal: state ``s`` sees steps up to ``s``.
    """

    rows_of: ClassVar[Mapping[str, str]] = {"items.weight": "items", "bias": "items"}
    divides_rows: bool = True  # whether `encode` draws by `ByteMaskDropout` only
    mixed: bool = False  # whether `encode` multiplies in bfloat16 while it is trained

    def __init__(self, n_items: int, width: int, n_event_types: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, width)
        nn.init.normal_(self.items.weight, std=width**-0.5)
        self.event_types = nn.Embedding(n_event_types, width) if n_event_types else None
        if self.event_types is not None:
            nn.init.zeros_(self.event_types.weight)  # a type unseen in training adds nothing
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.input_dropout = ByteMaskDropout(dropout)
        self.content: ContentEmbedding | None = None

    def add_content(self, matrix: Tensor, known: Tensor, id_dropout: float) -> None:
        """Give items a content part too, see `ContentEmbedding`; the id parts start at zero."""
        width = self.items.embedding_dim
        self.content = ContentEmbedding(matrix, known, width, id_dropout)
        nn.init.zeros_(self.items.weight)

    def item_vectors(self) -> Tensor:
        """The vector of each item as input and as target, shape ``(n_items, width)``."""
        ids = self.items.weight
        return ids if self.content is None else self.content.vectors(ids)

    def item_bias(self) -> Tensor:
        """What is added to the score of each item, shape ``(n_items,)``."""
        return self.bias if self.content is None else self.content.biases(self.bias)

    def with_folded_content(self) -> Self:
        """A copy with the same scores in which the content is part of the item embedding."""
        if self.content is None:
            return self
        out = copy.deepcopy(self)
        with torch.no_grad():
            out.items.weight.copy_(self.item_vectors())
            out.bias.copy_(self.item_bias())
        out.content = None
        return out

    def encode(self, steps: Tensor) -> Tensor:
        """States of all steps, ``(B, S, width) -> (B, S, width)``."""
        raise NotImplementedError

    def encode_at(self, steps: Tensor, places: Tensor) -> Tensor:
        """The state of one step a row, ``(B, S, width), (B,) -> (B, width)``."""
        return state_at(self.encode(steps), places)

    def states(self, items: Tensor, event_types: Tensor, slots: Tensor, sizes: Tensor) -> Tensor:
        """One state a step, shape ``(B, S, width)``; meaningless where `sizes` is 0.

        In training on a CPU the rows are divided among threads, see `rows_side_by_side`, unless
        torch is limited to one thread.
        """
        steps = self.read(items, event_types, slots, sizes)
        on_threads = steps.device.type == "cpu" and torch.get_num_threads() > 1
        if self.training and self.divides_rows and on_threads:
            return rows_side_by_side(self.encode_in_training, steps, self.parameters())
        return self.encode_in_training(steps) if self.training else self.encode(steps)

    def encode_in_training(self, steps: Tensor) -> Tensor:
        """`encode`, where `mixed` in bfloat16 wherever torch's autocast finds it safe; float32 states."""
        if not self.mixed:
            return self.encode(steps)
        with torch.autocast(steps.device.type, torch.bfloat16):
            return self.encode(steps).float()

    def read(self, items: Tensor, event_types: Tensor, slots: Tensor, sizes: Tensor) -> Tensor:
        """One vector a step, the mean of its events, shape ``(B, S, width)``."""
        vectors = functional.embedding(items, self.item_vectors())  # (N,) -> (N, D)
        if self.event_types is not None:
            vectors = vectors + self.event_types(event_types)
        n_users, n_steps = sizes.shape
        sums = vectors.new_zeros(n_users * n_steps, vectors.shape[1]).index_add(0, slots, vectors)
        steps = sums.view(n_users, n_steps, -1) / sizes.clamp(min=1).unsqueeze(-1)  # (B, S, D)
        return self.input_dropout(steps)

    def last_state(
        self, items: Tensor, event_types: Tensor, slots: Tensor, sizes: Tensor
    ) -> Tensor:
        """The state after each user's last real step, shape ``(B, width)``."""
        last = ((sizes > 0).sum(1) - 1).clamp(min=0)  # (B,)
        return self.encode_at(self.read(items, event_types, slots, sizes), last)

    def forward(self, items: Tensor, event_types: Tensor, slots: Tensor, sizes: Tensor) -> Tensor:
        """Scores of the whole catalogue after the last step, shape ``(B, n_items)``."""
        state = self.last_state(items, event_types, slots, sizes)
        return state @ self.item_vectors().T + self.item_bias()


class LastState(nn.Module):
    """The state of a sequence network after the last step, which a bundle carries with the item vectors."""

    def __init__(self, network: SequenceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, items: Tensor, event_types: Tensor, slots: Tensor, sizes: Tensor) -> Tensor:
        """See `SequenceNetwork.last_state`."""
        return self.network.last_state(items, event_types, slots, sizes)


def state_at(states: Tensor, places: Tensor) -> Tensor:
    """The entry of each row at the given step, ``(B, S, D), (B,) -> (B, D)``."""
    index = places[:, None, None].expand(-1, 1, states.shape[2])
    return states.gather(1, index).squeeze(1)
