"""BPR: factors that rank what a user has above what they have not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from torch import Tensor
from torch.nn import functional

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.models.sequence_recommender import check_positive
from growthlab.networks.factor_network import FactorNetwork
from growthlab.scorers.user_factors import UserFactors
from growthlab.training.fit_options import FitOptions
from growthlab.training.learned_state import LearnedState, learned_state_of, load_learned_state
from growthlab.training.loop import Trainer, device_of, torch_stream
from growthlab.training.training_batches import PairBatch, PairBatches


@dataclass(kw_only=True, eq=False)
class BPR:
    """Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.

    Minimises ``-ln sigmoid(score(u, i) - score(u, j))`` over the pairs (u, i) of the past, each
    with `negatives` items j that the user does not have, redrawn each epoch. The squared factors of
    the user, of i and of j are penalised where they occur, each by its own weight (`l2_user`,
    `l2_item`, `l2_negative`), whose ratios matter for the accuracy (Milogradskii et al., RecSys
    2024). `trainer.batch` counts pairs of the past.

    A user who was not in the fit has no factors: a NaN row.
    """

    stochastic: ClassVar[bool] = True

    width: int = 64
    negatives: int = 1
    l2_user: float = 0.001
    l2_item: float = 0.001
    l2_negative: float = 0.001
    trainer: Trainer = field(default_factory=lambda: Trainer(batch=512, lr=0.003, l2=0.0))

    def __post_init__(self) -> None:
        check_positive(self, "width", "negatives")
        for name in ("l2_user", "l2_item", "l2_negative"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"model.{name} must be 0 or more, got {getattr(self, name)}")

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Learn from all pairs of the past's users that have a code."""
        batches = PairBatches(
            past, negatives=self.negatives, batch=self.trainer.batch, seed=options.seed
        )
        codes = past.user_codes
        self.known_ = np.zeros(int(codes.max(initial=0)) + 1, dtype=bool)
        self.known_[codes[(past.lengths > 0) & (codes >= 0)]] = True
        with torch_stream(options.seed, "weights"):
            network = FactorNetwork(len(self.known_), past.n_items, width=self.width)
        load_learned_state(options.warm, network, past)
        self.network_ = network.to(device_of(options.device))
        self.trainer.run(self.network_, batches, self._loss, options, self)
        return self

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores of the users of the fit; NaN for any other."""
        return self.scorer().score(histories, items)

    def learned_state(self, past: Histories) -> LearnedState:
        """See `ContinuesFit.learned_state`."""
        return learned_state_of(self, self.network_, past)

    def scorer(self) -> UserFactors:
        """The factors as a bundle carries them."""
        network = self.network_
        weights = (network.users.weight, network.items.weight, network.bias.weight[:, 0])
        return UserFactors(self.known_, *(w.detach().cpu().numpy().copy() for w in weights))

    def _loss(self, network: FactorNetwork, batch: PairBatch) -> Tensor:
        """The mean over all pairs of an item that a user has and one that they do not have."""
        scores, users, items = network(batch.users, batch.items)
        loss = -functional.logsigmoid(scores[:, :1] - scores[:, 1:]).mean()
        squared = items.square().sum(dim=2)
        loss = loss + self.l2_user * users.square().sum(dim=1).mean()
        loss = loss + self.l2_item * squared[:, 0].mean()
        return loss + self.l2_negative * squared[:, 1:].mean()
