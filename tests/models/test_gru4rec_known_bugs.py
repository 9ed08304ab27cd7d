"""The bugs that were found in third-party versions of GRU4Rec, each by its name.

Hidasi & Czapp, "The Effect of Third Party Implementations on Reproducibility", RecSys 2023. Those of
the state (1, 2), the dropout (5, 6, 7) and the start (8) stand for the network alone, and for all
networks, in tests/networks/test_sequence_networks.py; those of the losses (3, 4, 9) by golden numbers
in tests/networks/test_losses.py. Here they are asked of the model as a whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from growthlab.core.histories import Catalogue, Histories
from growthlab.metrics.by_hand import ranked_lists
from growthlab.metrics.ranking.hit_rate import HitRate
from growthlab.models.recommend.gru4rec import GRU4Rec
from growthlab.networks.gru_network import GRUNetwork
from growthlab.networks.losses.base import Loss
from growthlab.networks.losses.bpr_max import BPRMax
from growthlab.networks.losses.cross_entropy import CrossEntropy
from growthlab.networks.losses.sampled_softmax import SampledSoftmax
from growthlab.training.fit_options import FitOptions
from growthlab.training.loop import Trainer, torch_stream

CATALOGUE = Catalogue(np.array([f"i{i:02d}" for i in range(20)]))


def sessions(*lists: list[int]) -> Histories:
    return Histories.from_lists(CATALOGUE, [CATALOGUE.item_ids[x].tolist() for x in lists])


def fitted(loss: Loss | None = None, epochs: int = 2, **changed: Any) -> GRU4Rec:
    items = np.random.default_rng(0).integers(20, size=(40, 6)).tolist()
    trainer = Trainer(epochs=epochs, batch=8, lr=0.01)
    changed = {"width": 8, "state": 12, **changed}
    model = GRU4Rec(loss=loss or CrossEntropy(precision="float32"), trainer=trainer, **changed)
    return model.fit(sessions(*items), FitOptions(device="cpu"))


def test_bug_1_the_state_is_reset_when_a_session_ends() -> None:
    model = fitted()
    after_another = model.score(sessions([9, 9, 9, 9], [3, 1]))[1]
    np.testing.assert_allclose(after_another, model.score(sessions([3, 1]))[0], atol=1e-6)


def test_bug_2_the_state_is_not_wiped_within_a_session() -> None:
    model = fitted()
    one, other = model.score(sessions([3, 1, 1, 1, 1], [4, 1, 1, 1, 1]))
    assert not np.allclose(one, other, atol=1e-6)


def test_bug_3_the_softmax_is_applied_once() -> None:
    # a softmax of a softmax is nearly flat: its loss stays near ln(20) = 3.0 however long one learns
    assert fitted(epochs=150, dropout=0.0, output_dropout=0.0).losses_[-1] < 1.5


@pytest.mark.parametrize("setting", ["dropout", "output_dropout"])
def test_bug_5_to_7_each_dropout_drops_its_share_in_training(setting: str) -> None:
    network = GRU4Rec(**{"dropout": 0.0, "output_dropout": 0.0, setting: 0.8}).build(20, 0).train()
    layer = {"dropout": network.input_dropout, "output_dropout": network.output_dropout}[setting]
    seen: list[torch.Tensor] = []
    layer.register_forward_hook(lambda _, __, out: seen.append(out))
    items = torch.arange(20)
    with torch_stream(0, "dropout"):
        states = network.states(items, items * 0, items, torch.ones(1, 20))
        again = network.states(items, items * 0, items, torch.ones(1, 20))
    assert (seen[0] == 0).float().mean().item() == pytest.approx(0.8, abs=0.05)
    assert not torch.equal(states, again)  # the result is used


def test_bug_8_weights_start_by_their_layers_size() -> None:
    weight = GRU4Rec(width=32, state=64).build(20, 0).gru.weight_hh_l0
    assert 0.9 * (6 / 128) ** 0.5 < weight.abs().max().item() <= (6 / 128) ** 0.5


def test_bug_10_the_kth_of_a_list_of_k_is_a_hit() -> None:
    lists = ranked_lists([[5, 6, 7]], [[7]], popularity=[1] * 20)
    assert HitRate(k=[2, 3]).per_user(lists)["hit_rate_at_3"].tolist() == [1.0]
    assert HitRate(k=[2, 3]).per_user(lists)["hit_rate_at_2"].tolist() == [0.0]


@pytest.mark.parametrize("epochs", [1, 3])
def test_bug_11_the_requested_epochs(epochs: int) -> None:
    assert len(fitted(epochs=epochs).losses_) == epochs


def test_bug_11_the_requested_sizes() -> None:
    network = GRU4Rec(width=6, state=10, layers=2).build(20, 0)
    assert isinstance(network, GRUNetwork)
    assert network.items.weight.shape == (20, 6)
    assert (network.gru.hidden_size, network.gru.num_layers) == (10, 2)


BASE = {"negatives": 4, "in_batch": 4, "alpha": 0.5}


@pytest.mark.parametrize(
    ("loss", "setting", "value"),
    [
        (SampledSoftmax, "negatives", 9),
        (SampledSoftmax, "negatives", 0),
        (SampledSoftmax, "in_batch", 0),
        (SampledSoftmax, "alpha", 0.0),
        (SampledSoftmax, "alpha", 1.0),
        (BPRMax, "negatives", 9),
        (BPRMax, "in_batch", 0),
        (BPRMax, "alpha", 1.0),
        (BPRMax, "bpreg", 0.0),
        (BPRMax, "elu", 0.0),
    ],
)
def test_bug_12_and_13_every_setting_of_a_sampled_loss_does_something(
    loss: Any, setting: str, value: float
) -> None:
    usual, changed = (fitted(loss(**{**BASE, **more})).losses_ for more in ({}, {setting: value}))
    assert usual != changed
    assert np.isfinite(changed).all()
