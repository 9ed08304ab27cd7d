"""NeuMF's two ways to the same logits, and its negatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from growthlab.networks.negative_sampling import is_positive, uniform_negatives
from growthlab.networks.neumf_network import NeuMFNetwork
from growthlab.training.loop import torch_stream


def logit_of_the_paper(network: NeuMFNetwork, user: int, item: int) -> torch.Tensor:
    """One pair, as the paper has it: the product beside the perceptron over both vectors."""
    product = network.user_factors.weight[user] * network.item_factors.weight[item]
    x = torch.cat([network.user_vectors.weight[user], network.item_vectors.weight[item]])
    for layer in network.tower:
        x = torch.relu(layer(x))
    return network.output(torch.cat([product, x])).squeeze()


@pytest.mark.parametrize("n_users", [2, 9])  # 6 pairs of 11 items, and more pairs than items
def test_both_ways_to_the_logits_are_those_of_the_paper(n_users: int) -> None:
    with torch_stream(0, "neumf"):
        network = NeuMFNetwork(9, 11, factors=4, layers=(8, 6, 3), dropout=0.5).eval()
        users, items = torch.randperm(9)[:n_users], torch.randint(11, (n_users, 3))
    expected = torch.tensor(
        [
            [float(logit_of_the_paper(network, int(u), int(i)).detach()) for i in row]
            for u, row in zip(users, items, strict=True)
        ]
    )
    torch.testing.assert_close(network.own_scores(users, items), expected)
    torch.testing.assert_close(network(users, torch.arange(11)).gather(1, items), expected)


def test_negatives_are_none_of_the_users_items() -> None:
    # user 0 has all items but 4, user 1 has none
    positives = np.array([0, 1, 2, 3, 5])
    users = np.repeat([0, 1], 500)
    drawn = uniform_negatives(np.random.default_rng(0), users, 6, positives, rounds=200)
    assert set(drawn[:500]) == {4}
    assert set(drawn[500:]) == set(range(6))


def test_negatives_are_uniform_over_the_rest() -> None:
    positives = np.array([0, 1])
    drawn = uniform_negatives(
        np.random.default_rng(0), np.zeros(40_000, dtype=np.int64), 6, positives
    )
    shares = np.bincount(drawn, minlength=6) / 40_000
    np.testing.assert_allclose(shares, [0, 0, 0.25, 0.25, 0.25, 0.25], atol=0.01)


def test_a_user_who_has_everything_does_not_hang() -> None:
    drawn = uniform_negatives(
        np.random.default_rng(0), np.zeros(5, dtype=np.int64), 3, np.arange(3)
    )
    assert drawn.shape == (5,)


def test_membership_with_no_positives() -> None:
    assert not is_positive(np.array([1, 2]), np.array([], dtype=np.int64)).any()
