"""Dropout drops the share it is told to, keeps the mean, and rests in evaluation."""

from __future__ import annotations

import pytest
import torch

from growthlab.networks.dropout import ByteMaskDropout
from growthlab.training.loop import torch_stream


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_share_and_the_mean(p: float) -> None:
    with torch_stream(0, "dropout"):
        dropped = ByteMaskDropout(p)(torch.ones(500, 1001))
    assert (dropped == 0).float().mean().item() == pytest.approx(p, abs=0.004)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)


def test_neighbours_are_dropped_independently() -> None:
    # both of a pair with probability 1/4; eight masks come from one random word
    with torch_stream(1, "dropout"):
        gone = (ByteMaskDropout(0.5)(torch.ones(400_000)) == 0).float()
    for apart in range(1, 9):
        assert (gone[apart:] * gone[:-apart]).mean().item() == pytest.approx(0.25, abs=0.005)


def test_evaluation_and_no_dropout_pass_the_input_on() -> None:
    x = torch.ones(10)
    assert ByteMaskDropout(0.5).eval()(x) is x
    assert ByteMaskDropout(0.0)(x) is x


def test_gradients_pass_where_values_do() -> None:
    x = torch.ones(64, requires_grad=True)
    with torch_stream(2, "dropout"):
        y = ByteMaskDropout(0.5)(x)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, y.detach())
