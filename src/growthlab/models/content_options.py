"""Item content in the sequence models: settings, checks, and how it enters the network."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.features.term_content import ItemContent
from growthlab.networks.sequence_network import SequenceNetwork

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class WithItemContent:
    """Settings of a model whose item vectors may have a content part.

    `content` gives a vector to each item of the catalogue, sold or not (None: ids only); `id_dropout`
    is the share of items whose id part is dropped at a time in training, unused without content. See
    `growthlab.networks.content_embedding`.
    """

    content: ItemContent | None = None
    id_dropout: float = 0.2

    def check_content(self) -> None:
        """Raise a `ConfigError` for a share outside [0, 1), or content that is only a name."""
        if not 0 <= self.id_dropout < 1:
            raise ConfigError(f"model.id_dropout must be in [0, 1), got {self.id_dropout}")
        if self.content is not None and not isinstance(self.content, ItemContent):
            raise ConfigError(
                f"model.content must be item content, got {self.content!r}: "
                f"content@model.content={self.content} chooses one"
            )

    def add_content(self, network: SequenceNetwork, past: Histories, *, warm: bool) -> None:
        """Add the content of the catalogue to the untrained network, if the settings have content.

        `warm` says that the fit continues from an earlier one on another catalogue.

        Raises
        ------
        ConfigError
            The content has a dimension for each term, or dimensions that change with the catalogue
            although the fit continues from an earlier one.
        DataError
            No item of the catalogue has content.
        """
        if self.content is None:
            return
        if warm and not self.content.lasting:
            raise ConfigError(
                "warm=... cannot go on with the terms of model.content: its components mean "
                "something else on a longer log; train from the start, or use "
                "content@model.content=sentences"
            )
        matrix, source = self.content.vectors(past.catalogue)
        if not isinstance(matrix, np.ndarray):
            raise ConfigError(
                f"model.content gives {matrix.shape[1]} terms, and a network reads a few hundred "
                "numbers: content@model.content=tf_idf_svd, or model.content.components=128"
            )
        known = torch.zeros(past.n_items, dtype=torch.bool)
        known[torch.tensor(past.items).long()] = True
        network.add_content(torch.tensor(matrix), known, self.id_dropout)
        n_new = int((~known).sum())
        log.info(
            "items are read by id and by %s; %d of %d have no event", source, n_new, len(known)
        )
