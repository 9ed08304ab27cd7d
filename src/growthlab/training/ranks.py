"""The processes that train one network together: each has a share of every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from growthlab.core.errors import ConfigError
from growthlab.core.progress import progress
from growthlab.networks.sequence_network import SequenceNetwork
from growthlab.training.batch_shares import DividesRows, Share


def check_divides(network: nn.Module, n_ranks: int) -> None:
    """Raise a `ConfigError` for a network whose batches several processes cannot divide."""
    if isinstance(network, SequenceNetwork) and not network.divides_rows:
        raise ConfigError(
            f"trainer.processes={n_ranks}: dropout between recurrent layers is drawn for "
            "whole batches: trainer.processes=1, model.layers=1 or model.output_dropout=0"
        )


class OneProcess:
    """A training in this process alone: nothing is divided, nothing is exchanged."""

    leads = True  # whether this process writes what all share

    def share(self, batch: Any) -> Share:
        """The share of this process in a batch."""
        return Share(batch)

    def sum_gradients(self, network: nn.Module) -> None:
        """Replace the gradients by their sums over all processes."""

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a value over all processes."""
        return value

    def agree(self, n_epochs: int) -> None:
        """Wait until all processes are here, after the same number of epochs."""

    def progress(self, batches: Iterable[Any], label: str, total: int) -> Iterator[Any]:
        """The batches of an epoch, with a bar."""
        return progress(batches, label, total)


class Ranks(OneProcess):
    """Process `rank` of `n_ranks`, which have joined a group of `torch.distributed`.

    All processes have the same weights, the same random state and the same batches. What is drawn is
    drawn for a whole batch by each of them (dropout, sampled negatives), so that the sum of their
    weighted gradients is that of one process, but for rounding.
    """

    def __init__(
        self, rank: int, n_ranks: int, on_batch: Callable[[str, int, int], None] | None = None
    ) -> None:
        self.rank, self.n_ranks, self.on_batch = rank, n_ranks, on_batch
        self.leads = rank == 0

    def share(self, batch: Any) -> Share:
        """See `OneProcess.share`."""
        if not isinstance(batch, DividesRows):
            raise ConfigError(
                f"trainer.processes={self.n_ranks}: this model trains in one process: "
                "trainer.processes=1"
            )
        return batch.share(self.rank, self.n_ranks)

    def sum_gradients(self, network: nn.Module) -> None:
        """See `OneProcess.sum_gradients`; one exchange for all parameters."""
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(together)
        parts = together.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def sum(self, value: Tensor) -> Tensor:
        """See `OneProcess.sum`."""
        torch.distributed.all_reduce(value)
        return value

    def agree(self, n_epochs: int) -> None:
        """See `OneProcess.agree`; ConfigError if a checkpoint was read by some of them only."""
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        number = torch.tensor([n_epochs, -n_epochs], device=device)
        torch.distributed.all_reduce(number, torch.distributed.ReduceOp.MAX)
        most, least = int(number[0]), -int(number[1])
        if most != least:
            raise ConfigError(
                f"one process resumes after epoch {least}, another after {most}: "
                "the checkpoint changed while it was read: run the command again"
            )

    def progress(self, batches: Iterable[Any], label: str, total: int) -> Iterator[Any]:
        """The batches of an epoch; the leading process reports each."""
        for number, batch in enumerate(batches):
            if self.on_batch is not None and self.leads:
                self.on_batch(label, number, total)
            yield batch
