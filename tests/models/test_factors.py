"""ALS and BPR: what they minimise, and how users are folded in."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Catalogue, Histories
from growthlab.models.recommend.als import ALS
from growthlab.models.recommend.bpr import BPR
from growthlab.networks.factor_network import FactorNetwork
from growthlab.scorers.ridge import Ridge
from growthlab.training.fit_options import FitOptions
from growthlab.training.training_batches import PairBatch

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


def test_the_objective_decreases_with_every_half_step() -> None:
    pairs, ridge = pairs_of(), Ridge(l2=0.02, unseen=0.1)
    of_items = pairs.T.tocsr()
    users = np.random.default_rng(3).normal(0, 0.03, (50, 12)).astype(np.float32)
    items, _ = ridge.improve(of_items, users, np.zeros((30, 12), dtype=np.float32))
    result = [objective(ridge, pairs, users, items)]
    for _ in range(8):
        users, _ = ridge.improve(pairs, items, users)
        result.append(objective(ridge, pairs, users, items))
        items, _ = ridge.improve(of_items, users, items)
        result.append(objective(ridge, pairs, users, items))
    assert all(after < before for before, after in itertools.pairwise(result))


@pytest.mark.parametrize("frequency", [0.0, 1.0])
def test_improving_again_and_again_solves(frequency: float) -> None:
    pairs, rng = pairs_of(), np.random.default_rng(1)
    ridge = Ridge(l2=0.05, unseen=0.2, frequency=frequency)
    factors = rng.normal(size=(30, 12)).astype(np.float32)
    rows = rng.normal(size=(50, 12)).astype(np.float32)
    for _ in range(60):
        rows, cost = ridge.improve(pairs, factors, rows)
    solved = ridge.solve(pairs, factors)
    np.testing.assert_allclose(rows, solved, rtol=2e-3, atol=2e-4)
    # what all rows together minimise: the objective apart from the other side's penalty
    whole = objective(ridge, pairs, solved, factors)
    other = ridge.penalties(np.bincount(pairs.indices, minlength=30), 50)
    assert cost == pytest.approx(whole - other @ (factors.astype(float) ** 2).sum(1), rel=1e-4)


def test_the_number_of_threads_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    past = histories_of(pairs_of())
    scores = []
    for n_threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", n_threads)
        scores.append(ALS(width=12, frequency=1.0, epochs=3).fit(past, OPTIONS).score(past))
    np.testing.assert_array_equal(*scores)


def objective(ridge: Ridge, pairs: csr_matrix, users: np.ndarray, items: np.ndarray) -> float:
    """What the alternation minimises, by plain loops over all pairs."""
    scores = users.astype(float) @ items.T.astype(float)
    taken = pairs.toarray() > 0
    loss = ((1 - scores[taken]) ** 2).sum() + ridge.unseen * (scores**2).sum()
    for factors, own, others in ((users, taken, items), (items, taken.T, users)):
        for row, counted in zip(factors.astype(float), own.sum(axis=1), strict=True):
            scale = (counted + ridge.unseen * len(others)) ** ridge.frequency
            loss += ridge.l2 * scale * (row**2).sum()
    return float(loss)


def test_the_losses_are_the_objective_at_the_fixed_point() -> None:
    past = histories_of(pairs_of())
    model = ALS(width=6, l2=0.02, epochs=60, frequency=1.0).fit(past, OPTIONS)
    ridge, items = model.scorer_.ridge, model.scorer_.item_factors
    users = ridge.solve(past.matrix(), items)  # folded in as trained
    result = objective(ridge, past.matrix(), users, items) / past.matrix().nnz
    assert model.losses_[-1] == pytest.approx(result, rel=1e-4)
    assert (np.diff(model.losses_) < 1e-6).all()  # single precision
    assert len(model.losses_) == 60


def test_the_library_and_our_own_solver_minimise_the_same() -> None:
    pairs, width = pairs_of((60, 40), seed=5), 5
    by_library = ALS(width=width, l2=0.5, unseen=0.2, frequency=0, epochs=400)
    items = by_library.fit(histories_of(pairs), OPTIONS).scorer_.item_factors
    ridge = Ridge(l2=0.5, unseen=0.2, frequency=0)
    ours = np.random.default_rng(9).normal(0, 0.1, (40, width)).astype(np.float32)
    for _ in range(400):
        users = ridge.solve(pairs, ours)
        ours = ridge.solve(pairs.T.tocsr(), users)
    scores = [ridge.solve(pairs, h) @ h.T for h in (items, ours)]  # factors may be turned
    np.testing.assert_allclose(*scores, rtol=2e-2, atol=2e-3)
    # one step of the library's objective by hand: weights 1 for all, alpha for pairs, target 1
    alpha, scale = 1.2 / 0.2, np.sqrt(1.2)
    h = items.astype(float) * scale
    for row in range(60):
        own = h[pairs[row].indices]
        system = h.T @ h + (alpha - 1) * own.T @ own + 0.5 * alpha * np.eye(width)
        w = np.linalg.solve(system, alpha * own.sum(axis=0)) if len(own) else np.zeros(width)
        np.testing.assert_allclose(w / scale, ridge.solve(pairs, items)[row], rtol=1e-2, atol=1e-4)


def test_als_goes_on_from_items_known_by_name() -> None:
    pairs = pairs_of((80, 40), seed=7)
    before = histories_of(pairs[:60, :30])
    later = histories_of(pairs)
    settings = {"width": 8, "l2": 0.01, "frequency": 1.0}
    model = ALS(**settings, epochs=10)
    state = model.fit(before, OPTIONS).learned_state(before)
    cold = ALS(**settings, epochs=3).fit(later, OPTIONS)
    warm = ALS(**settings, epochs=3).fit(later, replace(OPTIONS, warm=state))
    assert warm.losses_[0] < cold.losses_[0]
    assert warm.losses_[-1] <= cold.losses_[-1]


def test_the_caller_may_say_how_many_epochs() -> None:
    model = ALS(width=4, frequency=1.0).fit(histories_of(pairs_of()), FitOptions(epochs=3))
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
