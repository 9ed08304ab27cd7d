"""ALS and BPR: what they minimise, and how users are folded in."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Catalogue, Histories
from growthlab.models.recommend.als import ALS, objective
from growthlab.models.recommend.bpr import BPR
from growthlab.networks.factors import FactorNetwork
from growthlab.scorers.ridge import Ridge
from growthlab.training.batches import PairBatch
from growthlab.training.options import FitOptions

OPTIONS = FitOptions(device="cpu")


def pairs_of(shape: tuple[int, int] = (50, 30), seed: int = 0) -> csr_matrix:
    """Random pairs, the first row and column empty; some rows fuller than the factors are wide."""
    rng = np.random.default_rng(seed)
    dense = rng.random(shape) < rng.random((shape[0], 1))
    dense[0] = dense[:, 0] = False
    return csr_matrix(dense.astype(np.float32))


def histories_of(pairs: csr_matrix) -> Histories:
    rows, items = pairs.nonzero()
    catalogue = Catalogue(np.array([f"i{i:03d}" for i in range(pairs.shape[1])]))
    users = np.array([f"u{u:03d}" for u in range(pairs.shape[0])])
    return Histories.from_events(catalogue, users, rows, items, 0 * rows)


# als


@pytest.mark.parametrize("frequency", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("unseen", [0.0, 0.2])
def test_the_solve_is_a_ridge_regression_of_each_row(frequency: float, unseen: float) -> None:
    pairs, width = pairs_of(), 12
    factors = np.random.default_rng(1).normal(size=(30, width)).astype(np.float32)
    solved = Ridge(l2=0.05, unseen=unseen, frequency=frequency).solve(pairs, factors)
    lengths = np.diff(pairs.indptr)
    assert lengths.min() == 0
    assert (lengths[lengths > 0] < width).any()  # solved by the small system of their pairs
    assert (lengths >= width).any()  # solved by the system of the factors
    for row, length in enumerate(lengths):
        own = factors[pairs[row].indices].astype(float)
        penalty = 0.05 * (length + unseen * 30) ** frequency
        system = own.T @ own + unseen * factors.T @ factors
        if length == 0:
            expected = np.zeros(width)
        else:
            expected = np.linalg.solve(system + penalty * np.eye(width), own.sum(axis=0))
        np.testing.assert_allclose(solved[row], expected, rtol=2e-3, atol=2e-4)


def test_the_objective_is_the_sum_over_all_pairs() -> None:
    pairs, rng = pairs_of(), np.random.default_rng(2)
    users, items = rng.normal(size=(50, 4)), rng.normal(size=(30, 4))
    x, scores = pairs.toarray(), users @ items.T
    expected = ((1 - scores) ** 2)[x > 0].sum() + 0.3 * (scores**2).sum()
    expected += 0.1 * ((x.sum(axis=1) + 0.3 * 30) ** 0.5 @ (users**2).sum(axis=1))
    expected += 0.1 * ((x.sum(axis=0) + 0.3 * 50) ** 0.5 @ (items**2).sum(axis=1))
    ridge = Ridge(l2=0.1, unseen=0.3, frequency=0.5)
    assert objective(ridge, pairs, users, items) == pytest.approx(expected)


def test_the_objective_decreases_with_every_half_step() -> None:
    pairs, ridge = pairs_of(), Ridge(l2=0.02, unseen=0.1)
    users = np.random.default_rng(3).normal(0, 0.03, (50, 12)).astype(np.float32)
    items = ridge.solve(pairs.T.tocsr(), users)
    found = [objective(ridge, pairs, users, items)]
    for _ in range(8):
        users = ridge.solve(pairs, items)
        found.append(objective(ridge, pairs, users, items))
        items = ridge.solve(pairs.T.tocsr(), users)
        found.append(objective(ridge, pairs, users, items))
    assert all(after < before for before, after in itertools.pairwise(found))


def test_a_training_user_is_folded_in_as_trained() -> None:
    past = histories_of(pairs_of())
    model = ALS(width=12, l2=0.02, epochs=5).fit(past, OPTIONS)
    asked = past.select(np.array([7, 3, 20]))
    folded = model.scorer_.ridge.solve(asked.matrix(), model.scorer_.item_factors)
    np.testing.assert_allclose(folded, model.user_factors_[[7, 3, 20]], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        model.score(asked),
        model.user_factors_[[7, 3, 20]] @ model.scorer_.item_factors.T,
        atol=1e-4,
    )
    assert len(model.losses_) == 5
    assert model.losses_ == sorted(model.losses_, reverse=True)


def test_the_caller_may_say_how_many_epochs() -> None:
    model = ALS(width=4).fit(histories_of(pairs_of()), FitOptions(epochs=3))
    assert len(model.losses_) == 3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"l2": 0}, "l2 must be positive, got 0"),
        ({"unseen": -1}, "unseen must be 0 or more, got -1"),
        ({"frequency": 2}, "frequency must lie in 0 ... 1, got 2"),
        ({"width": 0}, "width must be at least 1, got 0"),
    ],
)
def test_settings_that_cannot_be_are_named(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ALS(**setting)  # type: ignore[arg-type]


# bpr


def test_the_pairwise_loss_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    network = FactorNetwork(3, 5, width=2)
    torch.nn.init.normal_(network.bias.weight)
    model = BPR(negatives=2, l2_user=0.1, l2_item=0.2, l2_negative=0.3)
    # user 0 has item 1 against 0 and 2; user 2 has item 3 against 4 and 1
    users, items = np.array([0, 2]), np.array([[1, 0, 2], [3, 4, 1]])
    batch = PairBatch(torch.tensor(users), torch.tensor(items))
    w, h, b = (p.detach().numpy() for p in network.parameters())
    score = (w[users][:, None] * h[items]).sum(axis=2) + b[items, 0]
    margins = score[:, :1] - score[:, 1:]
    expected = np.log1p(np.exp(-margins)).mean() + 0.1 * (w[[0, 2]] ** 2).sum() / 2
    expected += 0.2 * (h[[1, 3]] ** 2).sum() / 2 + 0.3 * (h[[0, 2, 4, 1]] ** 2).sum() / 4
    assert model._loss(network, batch).item() == pytest.approx(expected, rel=1e-5)


def test_a_user_who_was_not_in_the_fit_cannot_be_scored() -> None:
    past = histories_of(pairs_of())
    model = BPR(width=4)
    model.trainer = type(model.trainer)(epochs=1)
    scores = model.fit(past, OPTIONS).score(past)
    known = past.lengths > 0
    assert not known[0]
    assert np.isnan(scores[~known]).all()
    assert np.isfinite(scores[known]).all()
    stranger = Histories.from_lists(past.catalogue, [["i001", "i002"]])
    assert np.isnan(model.score(stranger)).all()


def test_negative_penalties_are_refused() -> None:
    with pytest.raises(ConfigError, match="l2_item must be 0 or more, got -1"):
        BPR(l2_item=-1)
