"""The content part of item vectors, which gives items without any event a vector too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from growthlab.networks.losses.base import SequenceTargets


class ContentEmbedding(nn.Module):
    """An item's vector and bias are an id part plus a linear map of its content.

    The id part of an item that is not `known` (no event in training) is exactly zero. In training
    the id parts of a random share of known items are dropped too, as in Volkovs, Yu & Poutanen,
    "DropoutNet: Addressing Cold Start in Recommender Systems", NeurIPS 2017, so that the content
    has to predict on its own; the others are not scaled up.

    Parameters
    ----------
    matrix : (n_items, C), the content, rows of length 1 or 0.
    known : (n_items,), bool.
    id_dropout : the share of id parts that is dropped, redrawn by each `draw`.
    """

    matrix: Tensor
    known: Tensor
    codes: Tensor
    places: Tensor

    def __init__(self, matrix: Tensor, known: Tensor, width: int, id_dropout: float) -> None:
        super().__init__()
        buffers = {
            "matrix": matrix,
            "known": known,
            "codes": known.nonzero().squeeze(1),  # of the known items
            "places": known.cumsum(0) - 1,  # index of each item among them
        }
        for name, tensor in buffers.items():  # derived from the catalogue: not in checkpoints
            self.register_buffer(name, tensor, persistent=False)
        self.id_dropout = id_dropout
        self.kept = known
        self.project = nn.Linear(matrix.shape[1], width, bias=False)
        self.bias = nn.Linear(matrix.shape[1], 1, bias=False)
        nn.init.normal_(self.project.weight, std=width**-0.5)  # keeps the length of unit rows
        nn.init.zeros_(self.bias.weight)

    def draw(self) -> None:
        """Choose the id parts that are dropped until the next call; none in evaluation mode."""
        self.kept = self.known
        if self.training and self.id_dropout > 0:
            dropped = torch.rand(len(self.known), device=self.known.device) < self.id_dropout
            self.kept = self.known & ~dropped

    def vectors(self, ids: Tensor) -> Tensor:
        """Item vectors from their id parts, ``(n_items, D) -> (n_items, D)``."""
        return ids * self._id_weight[:, None] + self.project(self.matrix)

    def biases(self, ids: Tensor) -> Tensor:
        """Biases from their id parts, ``(n_items,) -> (n_items,)``."""
        return ids * self._id_weight + self.bias(self.matrix).squeeze(1)

    def without_new_items(self, batch: SequenceTargets) -> SequenceTargets:
        """The same batch over a catalogue of the known items only.

        An item that nobody could take in training must not be a negative: the network would learn
        that the content of new items is bad.
        """
        if len(self.codes) == len(self.known):
            return batch
        whole = batch.whole
        if whole is not None:
            whole = whole._replace(targets=self.places[whole.targets])
        return batch._replace(
            whole=whole,
            item_vectors=batch.item_vectors.index_select(0, self.codes),
            bias=batch.bias.index_select(0, self.codes),
            targets=self.places[batch.targets],
            owned=self.places[batch.owned],
            support=batch.support[self.codes],
        )

    @property
    def _id_weight(self) -> Tensor:
        return (self.kept if self.training else self.known).to(self.matrix.dtype)
