"""Small networks and steps to try them on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from growthlab.networks.caser_network import CaserNetwork
from growthlab.networks.gru_network import GRUNetwork
from growthlab.networks.nextitnet_network import NextItNetwork
from growthlab.networks.sasrec_network import SASRecNetwork
from growthlab.networks.sequence_network import SequenceNetwork
from growthlab.training.loop import torch_stream

N_ITEMS = 30
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def gru(**changed: float) -> GRUNetwork:
    settings = {"width": 8, "state": 12, "layers": 1, "dropout": 0.3, "output_dropout": 0.3}
    return GRUNetwork(N_ITEMS, **{**settings, "n_event_types": 10, **changed})  # type: ignore[arg-type]


def caser(**changed: float) -> CaserNetwork:
    settings = {"width": 8, "window": 3, "horizontal": 4, "vertical": 2}
    settings |= {"dropout": 0.3, "output_dropout": 0.3, "n_event_types": 10}  # type: ignore[dict-item]
    return CaserNetwork(N_ITEMS, **{**settings, **changed})  # type: ignore[arg-type]


def sasrec(**changed: float) -> SASRecNetwork:
    settings = {"width": 8, "blocks": 2, "heads": 2, "length": 50}
    settings |= {"dropout": 0.3, "block_dropout": 0.3, "n_event_types": 10}  # type: ignore[dict-item]
    return SASRecNetwork(N_ITEMS, **{**settings, **changed})  # type: ignore[arg-type]


def nextitnet(**changed: float) -> NextItNetwork:
    settings = {"width": 8, "kernel": 3, "dilations": (1, 2), "blocks": 1}
    settings |= {"dropout": 0.3, "output_dropout": 0.3, "n_event_types": 10}  # type: ignore[dict-item]
    return NextItNetwork(N_ITEMS, **{**settings, **changed})  # type: ignore[arg-type]


@pytest.fixture(params=[gru, caser, sasrec, nextitnet])
def network(request: pytest.FixtureRequest) -> SequenceNetwork:
    with torch_stream(0, "test"):
        made: SequenceNetwork = request.param()
    return made.eval()


@pytest.fixture
def sequences() -> Callable[..., Inputs]:
    """Inputs of users with baskets of one item each, from lists of item codes."""

    def make(*users: list[int], n_steps: int | None = None) -> Inputs:
        n_steps = n_steps or max(map(len, users))
        slots = np.concatenate([row * n_steps + np.arange(len(u)) for row, u in enumerate(users)])
        sizes = np.bincount(slots, minlength=len(users) * n_steps).reshape(-1, n_steps)
        items = torch.tensor(np.concatenate(users))
        return items, torch.zeros_like(items), torch.tensor(slots), torch.tensor(sizes).float()

    return make
