"""A batch divided among processes: the parts sum to the whole, whatever is drawn at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Catalogue, Histories
from growthlab.models.recommend.neumf import pair_loss
from growthlab.models.sequence_recommender import SequenceLoss
from growthlab.networks.dropout import dropout_of_part
from growthlab.networks.gru_network import GRUNetwork
from growthlab.networks.losses import gbce
from growthlab.networks.losses.base import Loss
from growthlab.networks.losses.bpr_max import BPRMax
from growthlab.networks.losses.cross_entropy import CrossEntropy
from growthlab.networks.losses.gbce import GBCE
from growthlab.networks.losses.sampled_softmax import SampledSoftmax
from growthlab.networks.neumf_network import NeuMFNetwork
from growthlab.networks.sasrec_network import SASRecNetwork
from growthlab.networks.sequence_network import SequenceNetwork
from growthlab.training.batch_shares import Share
from growthlab.training.loop import torch_stream
from growthlab.training.ranks import Ranks, check_divides
from growthlab.training.table_batches import TableBatches
from growthlab.training.training_batches import PairBatches, SequenceBatches

N_ITEMS = 30
LOSSES = {
    "cross_entropy": CrossEntropy("float32"),
    "gbce": GBCE(negatives=6),
    "sampled_softmax": SampledSoftmax(negatives=7, in_batch=9),
    "bpr_max": BPRMax(negatives=7, in_batch=9),
}


def past(n_users: int = 11) -> Histories:
    """Users with 2 to 8 baskets of one or two items."""
    random = np.random.default_rng(5)
    lengths = random.integers(4, 17, n_users)
    return Histories.from_events(
        Catalogue(np.array([f"i{i:02d}" for i in range(N_ITEMS)])),
        np.array([f"u{i:02d}" for i in range(n_users)]),
        np.repeat(np.arange(n_users), lengths),
        random.integers(0, N_ITEMS, lengths.sum()),
        np.concatenate([np.arange(n) // 2 for n in lengths]),
    )


def sasrec() -> SequenceNetwork:
    return SASRecNetwork(
        N_ITEMS, width=8, blocks=1, heads=1, length=20, dropout=0.3, block_dropout=0.3
    )


def with_content() -> SequenceNetwork:
    network = sasrec()
    known = torch.arange(N_ITEMS) < N_ITEMS - 3
    network.add_content(torch.eye(N_ITEMS), known, id_dropout=0.5)
    return network


def gradients(network: nn.Module, loss: Callable[..., Tensor], shares: list[Share]) -> list[Tensor]:
    """The sum of the weighted losses of some shares, and its gradients; each draws the same."""
    network.train()
    network.zero_grad()
    total = torch.zeros(())
    for batch, weight, rows in shares:
        with torch_stream(1, "draws"):
            if rows is None:
                value = loss(network, batch)
            else:
                with dropout_of_part(rows):
                    value = loss(network, batch)
        (value * weight).backward()
        total += (value * weight).detach()
    return [total, *(p.grad.clone() for p in network.parameters() if p.grad is not None)]


def assert_divided(network: nn.Module, loss: Callable[..., Tensor], batch: object, n: int) -> None:
    shares = [Ranks(rank, n).share(batch) for rank in range(n)]
    assert sum(share.weight for share in shares) == pytest.approx(1)
    whole = gradients(network, loss, [Share(batch)])
    parts = gradients(network, loss, shares)
    for part, expected in zip(parts, whole, strict=True):
        torch.testing.assert_close(part, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 12])
@pytest.mark.parametrize("name", LOSSES)
def test_the_shares_of_a_sequence_batch_sum_to_it(
    name: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 processes are more than there are rows: each computes all, and counts for its part."""
    monkeypatch.setattr(gbce, "VECTORS_AT_ONCE", 60)  # ten positions, across borders of shares
    batches = SequenceBatches(past(), length=20, batch=11, seed=0)
    (batch, *_) = batches(1)
    loss = SequenceLoss(LOSSES[name], batches.support)
    with torch_stream(0, "weights"):
        assert_divided(sasrec(), loss, batch, n)


@pytest.mark.parametrize("loss", [LOSSES["gbce"], LOSSES["sampled_softmax"]])
def test_the_shares_sum_to_the_batch_with_content_of_items(loss: Loss) -> None:
    batches = SequenceBatches(past(), length=20, batch=11, seed=0)
    (batch, *_) = batches(1)
    batch = batch._replace(  # the last three items have no event
        targets=batch.targets % (N_ITEMS - 3), owned=batch.owned % (N_ITEMS - 3)
    )
    with torch_stream(0, "weights"):
        network = with_content()
    assert_divided(network, SequenceLoss(loss, batches.support), batch, 3)


def test_the_shares_of_a_process_with_several_threads_sum_to_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    batches = SequenceBatches(past(), length=20, batch=11, seed=0)
    (batch, *_) = batches(1)
    with torch_stream(0, "weights"):
        network = sasrec()
    assert_divided(network, SequenceLoss(LOSSES["cross_entropy"], batches.support), batch, 2)


@pytest.mark.parametrize("n", [2, 3, 12])
def test_the_shares_of_a_batch_of_pairs_sum_to_it(n: int) -> None:
    (batch, *_) = PairBatches(past(), negatives=3, batch=11, seed=0)(1)
    with torch_stream(0, "weights"):
        network = NeuMFNetwork(11, N_ITEMS, factors=4, layers=(8, 4), dropout=0.3)
    assert_divided(network, pair_loss, batch, n)


def test_a_batch_that_cannot_be_divided_is_one_clear_line() -> None:
    rows = [np.zeros((4, 2), dtype=np.float32)]
    (batch,) = TableBatches(lambda x: (x,), rows, batch=4, seed=0)(1)
    with pytest.raises(
        ConfigError, match=r"trainer\.processes=2: this model trains in one process"
    ):
        Ranks(0, 2).share(batch)


def test_dropout_that_is_drawn_for_whole_batches_is_one_clear_line() -> None:
    network = GRUNetwork(N_ITEMS, width=4, state=4, layers=2, dropout=0.0, output_dropout=0.2)
    with pytest.raises(
        ConfigError, match=r"trainer\.processes=3: dropout between recurrent layers"
    ):
        check_divides(network, 3)
