"""NeuMF's two ways to the same logits, and its negatives."""

from __future__ import annotations

import numpy as np
import torch

from growthlab.networks.negative_sampling import is_positive, uniform_negatives
from growthlab.networks.neumf import NeuMFNetwork
from growthlab.training.loop import torch_stream


def test_the_matrix_of_scores_equals_the_pairs() -> None:
    with torch_stream(0, "neumf"):
        network = NeuMFNetwork(7, 11, factors=4, layers=(8, 6, 3), dropout=0.5).eval()
    users, items = torch.tensor([5, 0, 3]), torch.arange(11)
    pairs = network.pairs(users.repeat_interleave(11), items.repeat(3)).view(3, 11)
    torch.testing.assert_close(network(users, items), pairs)


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
