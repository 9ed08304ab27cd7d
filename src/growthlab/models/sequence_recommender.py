"""The base of all sequence recommenders: a state a basket, trained to predict the next baskets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import torch
from torch import nn

from growthlab.core.baskets import latest_baskets, n_baskets, steps_of
from growthlab.core.errors import ConfigError
from growthlab.core.histories import EVENT_TYPES, Histories
from growthlab.core.processors import n_threads
from growthlab.models.content_options import WithItemContent
from growthlab.networks.losses.base import Loss, SequenceTargets
from growthlab.networks.sequence_network import LastState, SequenceNetwork
from growthlab.networks.to_onnx import to_onnx
from growthlab.networks.torch_threads import torch_threads
from growthlab.scorers.onnx_sequence import OnnxSequence, blocks_of
from growthlab.training.fit_options import FitOptions
from growthlab.training.learned_state import LearnedState, learned_state_of, load_learned_state
from growthlab.training.loop import Trainer, device_of, torch_stream
from growthlab.training.training_batches import SequenceBatch, SequenceBatches

if TYPE_CHECKING:
    from torch import Tensor


class SequenceRecommender(WithItemContent):
    """Fits and scores a `SequenceNetwork`; subclasses have the hyperparameters and build it.

    Events of one user at one time are one step, the mean of their vectors. The targets of a step are
    the items of the next `ahead` baskets; if the task counts certain event types only
    (`FitOptions.target_events`), of the next baskets with such events. Unseen users are scored by
    their history, as known ones with the same events; an empty history gives a NaN row.
    """

    stochastic: ClassVar[bool] = True
    length: int
    ahead: int = 1
    event_types: bool
    loss: Loss
    trainer: Trainer
    network_: SequenceNetwork
    losses_: list[float]

    def build(self, n_items: int, n_event_types: int) -> SequenceNetwork:
        """The untrained network."""
        raise NotImplementedError

    @property
    def reach(self) -> int:
        """The number of latest baskets that a score depends on."""
        return self.length

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Learn from all users with at least two baskets; see `Trainer.run`."""
        batches = SequenceBatches(
            past,
            length=self.length,
            batch=self.trainer.batch,
            seed=options.seed,
            ahead=self.ahead,
            targets=options.target_events,
        )
        with torch_stream(options.seed, "weights"):
            n_types = len(EVENT_TYPES) if self.event_types else 0
            self.network_ = self.build(past.n_items, n_types)
            self.add_content(self.network_, past, warm=options.warm is not None)
        load_learned_state(options.warm, self.network_, past)
        self.network_.to(device_of(options.device))
        loss = SequenceLoss(self.loss, batches.support).to(device_of(options.device))
        self.trainer.run(self.network_, batches, loss, options, self)
        return self

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Logits of the whole catalogue, or of those `items`."""
        vectors = self.item_vectors() if items is None else self.item_vectors()[items]
        return self.embed(histories) @ vectors.T

    def embed(self, histories: Histories) -> np.ndarray:
        """A vector a user, whose product with `item_vectors` is the score; NaN if no history.

        Computed in blocks of users with histories of similar length.
        """
        recent = latest_baskets(histories, self.reach)
        network = self.network_.eval().with_folded_content()
        device = next(network.parameters()).device
        vectors = np.ones((histories.n_users, network.items.embedding_dim + 1), dtype=np.float32)
        vectors[histories.lengths == 0] = np.nan

        def read(rows: np.ndarray) -> None:
            steps = (torch.tensor(x).to(device) for x in steps_of(recent.select(rows)))
            with torch.no_grad():
                vectors[rows, :-1] = network.last_state(*steps).cpu().numpy()

        # blocks are small: two blocks in parallel are faster than two threads on one
        workers = n_threads() if device.type == "cpu" else 1
        with torch_threads(1), ThreadPoolExecutor(workers) as pool:
            list(pool.map(read, blocks_of(n_baskets(recent))))
        return vectors

    def item_vectors(self) -> np.ndarray:
        """A vector an item, its bias last, shape ``(n_items, width + 1)``."""
        network = self.network_.eval()
        with torch.no_grad():
            columns = [network.item_vectors(), network.item_bias()[:, None]]
            return torch.cat(columns, dim=1).cpu().numpy()

    def learned_state(self, past: Histories) -> LearnedState:
        """See `ContinuesFit.learned_state`."""
        return learned_state_of(self, self.network_, past)

    def scorer(self) -> OnnxSequence:
        """The network as ONNX, dynamic in users, steps and events, with the items' vectors."""
        example = tuple(
            torch.tensor(x) for x in OnnxSequence.example(self.network_.items.num_embeddings)
        )
        network = LastState(self.network_.with_folded_content())
        return OnnxSequence(
            length=self.reach,
            vectors=self.item_vectors(),
            model=to_onnx(network, example, OnnxSequence.inputs, output="states"),
            reads_content=self.network_.content is not None,
        )


class SequenceLoss(nn.Module):
    """The loss at the steps that have targets; `support` moves with the module."""

    support: Tensor

    def __init__(self, loss: Loss, support: Tensor) -> None:
        super().__init__()
        self.loss = loss
        self.register_buffer("support", support)

    def forward(self, network: SequenceNetwork, batch: SequenceBatch) -> Tensor:
        """The loss of a batch."""
        return sequence_loss(network, batch, self.loss, self.support)


def sequence_loss(
    network: SequenceNetwork, batch: SequenceBatch, loss: Loss, support: Tensor
) -> Tensor:
    """The loss at the steps that have targets."""
    content = network.content
    if content is not None:
        content.draw()
    states = network.states(batch.items, batch.event_types, batch.slots, batch.sizes)
    targets = SequenceTargets(
        states=states.flatten(0, 1)[batch.at],  # (B, S, D) -> (P, D)
        item_vectors=network.item_vectors(),
        bias=network.item_bias(),
        positions=batch.positions,
        targets=batch.targets,
        weights=batch.weights,
        users=batch.at // batch.sizes.shape[1],
        owned=batch.owned,
        owned_until=batch.owned_until,
        support=support,
        whole=batch.whole,
    )
    return loss(targets if content is None else content.without_new_items(targets))


def check_positive(model: object, *names: str) -> None:
    """Raise a `ConfigError` for a hyperparameter below 1."""
    for name in names:
        if getattr(model, name) < 1:
            raise ConfigError(f"model.{name} must be at least 1, got {getattr(model, name)}")


def check_loss(model: SequenceRecommender) -> None:
    """Raise a `ConfigError` for a loss that is only a name."""
    if not callable(model.loss):
        name = model.loss or "cross_entropy"
        raise ConfigError(
            f"model.loss must be a loss, got {model.loss!r}: loss@model.loss={name} chooses one"
        )


def check_shares(model: object, *names: str) -> None:
    """Raise a `ConfigError` for a drop probability outside [0, 1)."""
    for name in names:
        if not 0 <= getattr(model, name) < 1:
            raise ConfigError(f"model.{name} must be in [0, 1), got {getattr(model, name)}")
