"""The content part of item vectors, by which an item without any event has a vector too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from growthlab.networks.losses.base import SequenceTargets


class ContentPart(nn.Module):
    """An item's vector and bias are an id part plus a linear map of its content.

    The id part of an item that is not `known` (no event in training) is exactly zero. In training
    it is left out for a random share of the known ones too, in the manner of Volkovs, Yu &
    Poutanen, "DropoutNet: Addressing Cold Start in Recommender Systems", NeurIPS 2017, so that the
    content alone has to foretell; it is not scaled up for that.

    Parameters
    ----------
    matrix : (n_items, C), the content, rows of length 1 or 0.
    known : (n_items,), bool.
    id_dropout : the share of id parts that is left out, drawn anew by each `draw`.
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
            "places": known.cumsum(0) - 1,  # of each item among them
        }
        for name, tensor in buffers.items():  # made from the catalogue: no part of a checkpoint
            self.register_buffer(name, tensor, persistent=False)
        self.id_dropout = id_dropout
        self.kept = known
        self.project = nn.Linear(matrix.shape[1], width, bias=False)
        self.bias = nn.Linear(matrix.shape[1], 1, bias=False)
        nn.init.normal_(self.project.weight, std=width**-0.5)  # a row of length 1 stays that long
        nn.init.zeros_(self.bias.weight)

    def draw(self) -> None:
        """Choose whose id part is left out until the next call; nobody's in evaluation mode."""
        self.kept = self.known
        if self.training and self.id_dropout > 0:
            left_out = torch.rand(len(self.known), device=self.known.device) < self.id_dropout
            self.kept = self.known & ~left_out

    def vectors(self, ids: Tensor) -> Tensor:
        """Item vectors from their id parts, ``(n_items, D) -> (n_items, D)``."""
        return ids * self._shown[:, None] + self.project(self.matrix)

    def biases(self, ids: Tensor) -> Tensor:
        """Biases from their id parts, ``(n_items,) -> (n_items,)``."""
        return ids * self._shown + self.bias(self.matrix).squeeze(1)

    def among_known(self, given: SequenceTargets) -> SequenceTargets:
        """The same batch in a catalogue of the known items alone.

        An item that could not have been taken in training is no negative: else the content of all
        new items would be learned to be that of losers.
        """
        if len(self.codes) == len(self.known):
            return given
        return given._replace(
            item_vectors=given.item_vectors.index_select(0, self.codes),
            bias=given.bias.index_select(0, self.codes),
            targets=self.places[given.targets],
            owned=self.places[given.owned],
            support=given.support[self.codes],
        )

    @property
    def _shown(self) -> Tensor:
        return (self.kept if self.training else self.known).to(self.matrix.dtype)
