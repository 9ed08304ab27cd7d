"""Checkpoint: the state of a training between two epochs, in one file of plain arrays."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from growthlab.core.atomic_write import atomic_file

log = logging.getLogger(__name__)


class TrainingState(Protocol):
    """What a checkpoint stores and restores."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    losses: list[float]
    best: dict[str, Tensor]
    best_epoch: int
    stopped: bool


class Checkpoint:
    """One file in `folder`, replaced as a whole after each epoch; arrays only, no pickle.

    `settings` identify the training. A file of another training, or one that cannot be read, is
    ignored with a warning.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.file = Path(folder) / "training.npz"
        self.settings = dict(settings)

    def write(self, training: TrainingState) -> None:
        """Replace the file by the present state; a kill leaves the old or the new file."""
        arrays = {
            **_named("network", training.network.state_dict()),
            **_named("best", training.best),
            **_optimiser_arrays(training.optimiser),
            "losses": np.array(training.losses),
            "best_epoch": np.array(training.best_epoch),
            "stopped": np.array(training.stopped),
            "about": np.array(self._identity(training)),
        }
        with atomic_file(self.file) as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
            stream.flush()
            os.fsync(stream.fileno())

    def restore(self, training: TrainingState) -> bool:
        """Set `training` to the state in the file; False if there is no file for it."""
        if not self.file.exists():
            return False
        try:
            with self.file.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = dict(stored)
        except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds on damaged bytes
            log.warning("the checkpoint %s cannot be read (%s): starting anew", self.file, error)
            return False
        if str(arrays.get("about")) != self._identity(training):
            log.warning("the checkpoint %s is of another training: starting anew", self.file)
            return False
        training.network.load_state_dict(_tensors("network", arrays))
        _restore_optimiser(training.optimiser, arrays)
        training.losses[:] = arrays["losses"].tolist()
        device = next(training.network.parameters()).device
        training.best = {n: t.to(device) for n, t in _tensors("best", arrays).items()}
        training.best_epoch = int(arrays["best_epoch"])
        training.stopped = bool(arrays["stopped"])
        return True

    def remove(self) -> None:
        """Remove the file, and its folder if that is then empty."""
        self.file.unlink(missing_ok=True)
        if self.file.parent.is_dir() and not any(self.file.parent.iterdir()):
            self.file.parent.rmdir()

    def _identity(self, training: TrainingState) -> str:
        shapes = {n: list(t.shape) for n, t in training.network.state_dict().items()}
        return json.dumps({**self.settings, "shapes": shapes}, sort_keys=True)


def _named(group: str, tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {f"{group}/{name}": t.detach().cpu().numpy() for name, t in tensors.items()}


def _tensors(group: str, arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    prefix = f"{group}/"
    group_arrays = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
    return {name: torch.tensor(array) for name, array in group_arrays.items()}


def _optimiser_arrays(optimiser: torch.optim.Optimizer) -> dict[str, np.ndarray]:
    """The moments and step of each parameter; the settings come from the trainer."""
    state = optimiser.state_dict()["state"]
    flat = {f"{index}/{key}": t for index, moments in state.items() for key, t in moments.items()}
    return _named("optimiser", flat)


def _restore_optimiser(optimiser: torch.optim.Optimizer, arrays: Mapping[str, np.ndarray]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _tensors("optimiser", arrays).items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = tensor
    settings = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": settings})
