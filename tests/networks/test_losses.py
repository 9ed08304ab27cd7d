"""The cross-entropy over the catalogue against golden numbers, torch's own, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from growthlab.networks.losses import catalogue_cross_entropy
from growthlab.training.loop import torch_stream


def one_target(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of given logits: the identity as item vectors, one target a position."""
    n = logits.shape[1]
    positions = torch.arange(len(targets))
    weights = torch.ones(len(targets))
    return catalogue_cross_entropy(
        logits, torch.eye(n), torch.zeros(n), positions, targets, weights
    )


def test_golden_value_of_one_position() -> None:
    # -ln(e^2 / (e^2 + e + 1)); a softmax that is applied twice would give 0.7904
    loss = one_target(torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([0]))
    assert loss.item() == pytest.approx(0.407606, abs=1e-6)


def test_uniform_logits_cost_the_log_of_the_catalogue() -> None:
    loss = one_target(torch.zeros(4, 50), torch.tensor([0, 7, 7, 49]))
    assert loss.item() == pytest.approx(np.log(50), abs=1e-6)


def test_huge_logits_stay_finite() -> None:
    # the target's logit is 1e4 below the highest: the loss is 1e4, not infinite
    loss = one_target(torch.tensor([[1e4, 0.0]]), torch.tensor([1]))
    assert loss.item() == pytest.approx(1e4)


@pytest.mark.parametrize("logits_at_once", [1, 40, 10_000])
def test_chunks_equal_the_plain_loss_and_its_gradients(logits_at_once: int) -> None:
    with torch_stream(0, "losses"):
        states, vectors = torch.randn(9, 5), torch.randn(20, 5)
        bias, targets = torch.randn(20), torch.randint(20, (9,))
    leaves = [x.clone().requires_grad_() for x in (states, vectors, bias)]
    plain = [x.clone().requires_grad_() for x in (states, vectors, bias)]
    loss = catalogue_cross_entropy(*leaves, torch.arange(9), targets, torch.ones(9), logits_at_once)
    expected = functional.cross_entropy(plain[0] @ plain[1].T + plain[2], targets)
    torch.testing.assert_close(loss, expected)
    (3 * loss).backward()
    (3 * expected).backward()
    for mine, theirs in zip(leaves, plain, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_the_targets_of_a_basket_share_one_weight() -> None:
    # a position with targets 0 and 2 costs the mean of the two single costs
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    single = [one_target(logits, torch.tensor([t])).item() for t in (0, 2)]
    both = catalogue_cross_entropy(
        logits,
        torch.eye(3),
        torch.zeros(3),
        torch.tensor([0, 0]),
        torch.tensor([0, 2]),
        torch.tensor([0.5, 0.5]),
    )
    assert both.item() == pytest.approx(np.mean(single), abs=1e-6)
