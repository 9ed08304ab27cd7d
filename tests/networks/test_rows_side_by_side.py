"""A batch in parts, a thread each: the same states, gradients and draws as of the whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from growthlab.networks.rows_side_by_side import rows_side_by_side
from growthlab.networks.sequence_network import SequenceNetwork
from growthlab.training.loop import torch_stream

from .conftest import gru

Encode = Callable[[Tensor], Tensor]


def trained_by(
    network: SequenceNetwork, encode: Encode, rows: Tensor
) -> tuple[Tensor, list[Tensor], Tensor]:
    """The states, the gradients of rows and parameters, and what is drawn next."""
    given = rows.clone().requires_grad_()
    network.zero_grad()
    with torch_stream(0, "dropout"):
        states = encode(given)
        (states * torch.linspace(-1, 1, states.numel()).view_as(states)).sum().backward()
        drawn = torch.rand(3)
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert given.grad is not None
    return states.detach(), [given.grad, *gradients], drawn


@pytest.mark.parametrize("threads", [1, 2, 3, 50])
def test_parts_of_a_batch_are_trained_as_the_whole(
    network: SequenceNetwork, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    network.train()
    rows = torch.randn(7, 5, 8, generator=torch.Generator().manual_seed(0))
    whole = trained_by(network, network.encode, rows)
    parts = trained_by(
        network, lambda x: rows_side_by_side(network.encode, x, network.parameters()), rows
    )
    torch.testing.assert_close(parts[0], whole[0])
    assert len(parts[1]) == len(whole[1]) > 3
    for mine, theirs in zip(parts[1], whole[1], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    assert torch.equal(parts[2], whole[2])


def test_rows_are_not_divided_where_torch_itself_draws() -> None:
    # between the layers of a recurrent unit torch drops out from its one generator
    assert gru(layers=1).divides_rows
    assert gru(layers=2, output_dropout=0.0).divides_rows
    assert not gru(layers=2).divides_rows


def test_a_limit_of_one_thread_is_kept(
    network: SequenceNetwork,
    sequences: Callable[..., tuple[Tensor, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    divided: list[int] = []

    def record(encode: Encode, rows: Tensor, parameters: object) -> Tensor:
        divided.append(len(rows))
        return encode(rows)

    monkeypatch.setattr("growthlab.networks.sequence_network.rows_side_by_side", record)
    network.train()
    for threads in (1, 4):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        network.states(*sequences([3, 1], [4], [1, 5]))
    assert divided == [3]
