"""The training loop of all networks: batches, a loss, and the caller's verdict after each epoch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.seeding import random_stream
from growthlab.networks.dropout import dropout_of_part
from growthlab.networks.losses.cross_entropy import PRECISIONS, multiplies_bfloat16
from growthlab.networks.sequence_network import SequenceNetwork
from growthlab.networks.torch_threads import torch_threads
from growthlab.training.checkpoint import Checkpoint
from growthlab.training.eager_adamw import EagerAdamW
from growthlab.training.fit_options import EpochVerdict, FitOptions
from growthlab.training.processes import TrainingJob, train_in_processes, training_folder
from growthlab.training.ranks import OneProcess, check_divides

log = logging.getLogger(__name__)


class Batches(Protocol):
    """The batches of an epoch (from 1), named tuples of CPU tensors; the same at each call."""

    def __call__(self, epoch: int) -> Sequence[Any]:
        """The batches of the epoch."""
        ...


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """How a network is trained.

    By AdamW: Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.

    `batch` is in the model's own unit (users, or positive pairs), `l2` is the decoupled weight
    decay, `clip` the largest norm of the gradient (None: any). `lr` falls linearly to `last_lr`
    times itself at the last of `epochs`, whether or not training stops earlier. `patience` is for
    the caller: how many epochs without improvement on the validation window are tolerated. `epochs`
    is the largest number run. `threads` limits torch's threads on a CPU (None: no limit): the
    products of a recurrence are too small to share. The loss over the catalogue is divided among
    OMP_NUM_THREADS threads all the same. `processes` train together, each a share of every batch, on
    a GPU of its own or on its share of the threads. `precision` is that of the products in sequence
    networks: ``bfloat16`` leaves weights, sums and the states in float32; ``auto`` takes it on GPUs that
    multiply it, and float32 on a CPU, where it does not pay.
    """

    epochs: int = 50
    patience: int = 5
    batch: int = 128
    lr: float = 2e-3
    last_lr: float = 1.0
    l2: float = 1e-4
    clip: float | None = 5.0
    threads: int | None = None
    processes: int = 1
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "batch", "processes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"trainer.{name} must be at least 1, got {getattr(self, name)}")
        if not self.lr > 0:
            raise ConfigError(f"trainer.lr must be positive, got {self.lr}")
        if not 0 < self.last_lr <= 1:
            raise ConfigError(f"trainer.last_lr must be in (0, 1], got {self.last_lr}")
        if not self.l2 >= 0:
            raise ConfigError(f"trainer.l2 must not be negative, got {self.l2}")
        if self.clip is not None and not self.clip > 0:
            raise ConfigError(f"trainer.clip must be positive or null, got {self.clip}")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"trainer.threads must be positive or null, got {self.threads}")
        if self.precision not in PRECISIONS:
            possible = ", ".join(PRECISIONS)
            raise ConfigError(f"trainer.precision={self.precision}: possible: {possible}")

    def run(
        self,
        network: nn.Module,
        batches: Batches,
        loss: Callable[[Any, Any], Tensor],
        options: FitOptions,
        model: Any,
    ) -> None:
        """Train `network` in place; the mean loss of each epoch is appended to ``model.losses_``.

        After each epoch the network is in evaluation mode and `options.on_epoch` is called; the
        weights of the last improved epoch are kept (without `on_epoch`: the last weights). With a
        checkpoint folder, an interrupted fit resumes after its last finished epoch and ends with
        the same weights as an uninterrupted one, bit by bit on the CPU; the folder belongs to one
        fit, and the caller keeps the memory of `on_epoch`. Every epoch has its own random stream,
        and the global random state is restored. With several `processes` the batches are the same,
        and what is drawn at random is drawn for whole batches: losses differ in the last digits only.

        Raises
        ------
        DataError
            There is nothing to learn from: an epoch without batches.
        ConfigError
            A loss that is not finite, or a model that trains in one process only.
        LostProcessError
            One of several processes was killed.
        """
        if self.processes == 1:
            self.train(network, batches, loss, options, model, OneProcess())
            return
        check_divides(network, self.processes)
        device = device_of(options.device)
        model.losses_ = []
        own = replace(options, on_epoch=None, warm=None)
        is_judged = options.on_epoch is not None
        with training_folder() as folder:
            job = TrainingJob(
                self, network, batches, loss, own, is_judged, Path(folder), device.type
            )
            train_in_processes(job, self.processes, options, model, device)

    def train(
        self,
        network: nn.Module,
        batches: Batches,
        loss: Callable[[Any, Any], Tensor],
        options: FitOptions,
        model: Any,
        ranks: OneProcess,
    ) -> None:
        """`run` within one process, which may be one of several."""
        device = device_of(options.device)
        n_epochs = options.epochs or self.epochs
        network.to(device)
        if isinstance(network, SequenceNetwork):
            on_gpu = device.type == "cuda" and multiplies_bfloat16(device)
            network.mixed = self.precision == "bfloat16" or (self.precision == "auto" and on_gpu)
        if isinstance(loss, nn.Module):
            loss.to(device)
        state = _TrainingState(network, self._optimiser(network, device))
        model.losses_ = state.losses
        settings = {**asdict(self), "seed": options.seed, "n_epochs": n_epochs}
        del settings["processes"]  # an interrupted fit may go on with more or fewer
        checkpoint = Checkpoint(options.checkpoint, settings) if options.checkpoint else None
        if checkpoint is not None and checkpoint.restore(state):
            log.info("training resumes after epoch %d of %d", len(state.losses), n_epochs)
        ranks.agree(len(state.losses))
        started = time.perf_counter()
        while len(state.losses) < n_epochs and not state.stopped:
            epoch = len(state.losses) + 1
            for group in state.optimiser.param_groups:
                group["lr"] = self.lr_at(epoch)
            stream_of_epoch = torch_stream(options.seed, "epoch", epoch, device=device)
            with stream_of_epoch, torch_threads(self.threads):
                state.losses.append(
                    self._epoch(state, batches(epoch), loss, device, ranks, n_epochs)
                )
            network.eval()
            if options.on_epoch is not None:
                state.apply_verdict(options.on_epoch(epoch, model), epoch)
            if checkpoint is not None and ranks.leads:
                checkpoint.write(state)
        if options.on_epoch is not None:
            state.restore_best()
        network.eval()
        if checkpoint is not None and ranks.leads:
            checkpoint.remove()
        seconds = time.perf_counter() - started
        log.debug("%d epochs on %s in %.1f s", len(state.losses), device.type, seconds)

    def lr_at(self, epoch: int) -> float:
        """The learning rate of an epoch (from 1); constant after the last of `epochs`."""
        gone = min(1.0, (epoch - 1) / max(1, self.epochs - 1))
        return self.lr * (1 - gone * (1 - self.last_lr))

    def _optimiser(self, network: nn.Module, device: torch.device) -> torch.optim.Optimizer:
        fused = device.type in ("cpu", "cuda")
        return EagerAdamW(network.parameters(), lr=self.lr, weight_decay=self.l2, fused=fused)

    def _epoch(
        self,
        state: _TrainingState,
        batches: Sequence[Any],
        loss: Callable[[Any, Any], Tensor],
        device: torch.device,
        ranks: OneProcess,
        n_epochs: int,
    ) -> float:
        """One pass over the batches; the mean of their losses."""
        epoch = len(state.losses) + 1
        if not len(batches):
            raise DataError("nothing to learn from: no customer has a target to predict")
        state.network.train()
        total = torch.zeros((), device=device)
        label = f"epoch {epoch} of at most {n_epochs}"
        for whole in ranks.progress(batches, label, len(batches)):
            batch, weight, rows = ranks.share(whole)
            on_device = moved(batch, device)
            state.optimiser.zero_grad(set_to_none=True)
            with dropout_of_part(rows) if rows is not None else nullcontext():
                value = loss(state.network, on_device)
            if rows is not None:
                value = value * weight
            value.backward()
            ranks.sum_gradients(state.network)
            if self.clip is not None:
                nn.utils.clip_grad_norm_(state.network.parameters(), self.clip)
            state.optimiser.step()
            total += value.detach()
        mean = float(ranks.sum(total)) / len(batches)
        if mean != mean or mean in (float("inf"), float("-inf")):
            raise ConfigError(
                f"the loss of epoch {epoch} is {mean}: "
                f"lower trainer.lr ({self.lr}) or trainer.clip ({self.clip})"
            )
        return mean


@dataclass
class _TrainingState:
    """Everything that a checkpoint has to restore."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    losses: list[float] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    stopped: bool = False

    def apply_verdict(self, verdict: EpochVerdict, epoch: int) -> None:
        """Keep a copy of improved weights, and note whether to stop."""
        if verdict.improved:
            self.best = {n: t.detach().clone() for n, t in self.network.state_dict().items()}
            self.best_epoch = epoch
        self.stopped = verdict.stop

    def restore_best(self) -> None:
        """Restore the weights of the last improved epoch, if there is one."""
        if self.best:
            self.network.load_state_dict(self.best)


def moved(value: Any, device: torch.device) -> Any:
    """A tensor, or a named tuple of tensors and plain values, on the device."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple):
        return type(value)(*(moved(each, device) for each in value))
    return value


def device_of(name: str) -> torch.device:
    """The device of that name; ``auto`` is CUDA if available, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device={name}, but there is no CUDA device: device=cpu or device=auto")
    try:
        return torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device={name}: possible: auto, cpu, cuda, cuda:0") from None


@contextmanager
def torch_stream(
    seed: int, *names: str | int, device: torch.device | str = "cpu"
) -> Iterator[None]:
    """Inside, torch's random state is that of `(seed, *names)`; afterwards the old one is restored."""
    device = torch.device(device)
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(random_stream(seed, "torch", *names).integers(2**63)))
        yield
