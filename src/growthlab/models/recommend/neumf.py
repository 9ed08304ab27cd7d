"""NeuMF: factors and a perceptron over user and item embeddings, for the users of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.models.sequence_recommender import check_positive, check_shares
from growthlab.networks.neumf_network import NeuMFNetwork
from growthlab.networks.to_onnx import to_onnx
from growthlab.scorers.onnx_pairs import PAIRS_AT_ONCE, OnnxPairs, known_rows
from growthlab.training.fit_options import FitOptions
from growthlab.training.learned_state import LearnedState, learned_state_of, load_learned_state
from growthlab.training.loop import Trainer, device_of, torch_stream
from growthlab.training.training_batches import PairBatch, PairBatches


@dataclass(kw_only=True, eq=False)
class NeuMF:
    """He et al., "Neural Collaborative Filtering", WWW 2017: GMF and MLP, binary cross-entropy.

    Each user-item pair of the past is a positive, with `negatives` items that the user does not
    have, redrawn each epoch. A user without events in the fit has no embedding: a NaN row. `layers`
    are the perceptron's widths (the first is twice its embedding's); `trainer.batch` counts
    positives.
    """

    stochastic: ClassVar[bool] = True

    factors: int = 32
    layers: Sequence[int] = (64, 32, 16)
    negatives: int = 4
    dropout: float = 0.0
    trainer: Trainer = field(default_factory=lambda: Trainer(batch=512, lr=0.003, l2=0.01))

    def __post_init__(self) -> None:
        check_positive(self, "factors", "negatives")
        check_shares(self, "dropout")
        if len(self.layers) < 2 or min(self.layers) < 1 or self.layers[0] % 2:
            raise ConfigError(
                f"model.layers must be at least two widths, the first even, got {list(self.layers)}"
            )

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Learn from all pairs of the past's users that have a code."""
        batches = PairBatches(
            past, negatives=self.negatives, batch=self.trainer.batch, seed=options.seed
        )
        codes = past.user_codes
        self.known_ = np.zeros(int(codes.max(initial=0)) + 1, dtype=bool)
        self.known_[codes[(past.lengths > 0) & (codes >= 0)]] = True
        self.n_items_ = past.n_items
        with torch_stream(options.seed, "weights"):
            self.network_ = NeuMFNetwork(
                len(self.known_),
                self.n_items_,
                factors=self.factors,
                layers=tuple(self.layers),
                dropout=self.dropout,
            )
        load_learned_state(options.warm, self.network_, past)
        self.network_.to(device_of(options.device))
        self.trainer.run(self.network_, batches, pair_loss, options, self)
        return self

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Logits of the users of the fit, in blocks within bounded memory; NaN for any other."""
        wanted = np.arange(self.n_items_) if items is None else np.asarray(items, dtype=np.int64)
        scores = np.full((histories.n_users, len(wanted)), np.nan, dtype=np.float32)
        rows = known_rows(histories.user_codes, self.known_)
        device = next(self.network_.parameters()).device
        columns = torch.tensor(wanted, device=device)
        size = max(1, PAIRS_AT_ONCE // max(1, len(wanted)))
        self.network_.eval()
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            users = torch.tensor(histories.user_codes[block].astype(np.int64), device=device)
            with torch.no_grad():
                scores[block] = self.network_(users, columns).cpu().numpy()
        return scores

    def learned_state(self, past: Histories) -> LearnedState:
        """See `ContinuesFit.learned_state`."""
        return learned_state_of(self, self.network_, past)

    def scorer(self) -> OnnxPairs:
        """The network as ONNX, the users' embeddings inside, dynamic in users and items."""
        example = (torch.zeros(3, dtype=torch.int64), torch.zeros(5, dtype=torch.int64))
        model = to_onnx(self.network_, example, OnnxPairs.inputs)
        return OnnxPairs(known=self.known_, n_items=self.n_items_, model=model)


def pair_loss(network: NeuMFNetwork, batch: PairBatch) -> Tensor:
    """Binary cross-entropy, mean over positives and negatives."""
    logits = network.own_scores(batch.users, batch.items)
    labels = torch.zeros_like(logits)
    labels[:, 0] = 1.0
    return functional.binary_cross_entropy_with_logits(logits, labels)
