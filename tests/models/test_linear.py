"""EASE, SLIM and RP3beta against golden values, dense references and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import Catalogue, Histories
from growthlab.models.recommend.ease import EASE
from growthlab.models.recommend.rp3beta import RP3Beta
from growthlab.models.recommend.slim import SLIM
from growthlab.training.fit_options import FitOptions

OPTIONS = FitOptions()
GOLDEN = np.array(
    [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
)  # small enough to check by hand


def of_matrix(matrix: np.ndarray) -> Histories:
    """Histories of a 0/1 matrix, one basket a user."""
    n_users, n_items = matrix.shape
    rows, items = np.nonzero(matrix)
    catalogue = Catalogue(np.array([f"i{i:04d}" for i in range(n_items)]))
    user_ids = np.array([f"u{u}" for u in range(n_users)])
    return Histories.from_events(catalogue, user_ids, rows, items, 0 * rows)


def random_matrix(seed: int = 0, shape: tuple[int, int] = (60, 25)) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < 0.25).astype(int)


# ease


def test_ease_weights_are_the_golden_values() -> None:
    model = EASE(l2=1).fit(of_matrix(GOLDEN), OPTIONS)
    expected = [
        [0, 0.571429, 0.142857, -0.25],
        [0.5, 0, 0.285714, 0.125],
        [0.125, 0.285714, 0, 0.5],
        [-0.25, 0.142857, 0.571429, 0],
    ]
    np.testing.assert_allclose(model.scorer_.weights, expected, atol=1e-6)
    scores = model.score(of_matrix(GOLDEN))[0]
    np.testing.assert_allclose(scores, [0.5, 0.571429, 0.428571, -0.125], atol=1e-6)


@pytest.mark.parametrize("l2", [0.0001, 3.0, 500.0])
def test_ease_is_a_ridge_regression_of_each_item_on_the_others(l2: float) -> None:
    x = random_matrix().astype(float)
    weights = EASE(l2=l2).fit(of_matrix(x), OPTIONS).scorer_.weights
    for j in range(x.shape[1]):
        others = np.delete(np.arange(x.shape[1]), j)
        gram = x[:, others].T @ x[:, others] + l2 * np.eye(len(others))
        ridge = np.linalg.solve(gram, x[:, others].T @ x[:, j])
        np.testing.assert_allclose(weights[others, j], ridge, rtol=1e-4, atol=1e-6)
        assert weights[j, j] == 0


def test_a_catalogue_beyond_one_block_is_mirrored_right() -> None:
    x = random_matrix(seed=3, shape=(40, 1100))
    weights = EASE(l2=20).fit(of_matrix(x), OPTIONS).scorer_.weights
    inverse = np.linalg.inv(x.T @ x + 20.0 * np.eye(1100))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(weights, expected, atol=1e-5)


def test_a_catalogue_that_does_not_fit_is_refused_before_the_fit() -> None:
    past = of_matrix(np.ones((2, 1000)))
    with pytest.raises(ConfigError, match=r"ease needs 4 MB .* 1,000 items.* item_knn or rp3beta"):
        EASE(l2=1e6, memory_mb=3).fit(past, OPTIONS)
    with pytest.raises(ConfigError, match="slim needs 8 MB"):
        SLIM(memory_mb=3).fit(past, OPTIONS)


def test_without_regularisation_there_is_no_ease() -> None:
    with pytest.raises(ConfigError, match=r"l2 must be positive, got 0: the Gram matrix"):
        EASE(l2=0)


# slim


@pytest.mark.parametrize(("alpha", "l1_ratio"), [(0.02, 0.5), (0.3, 0.01), (0.01, 0.0)])
def test_slim_is_scikit_learn_s_elastic_net(alpha: float, l1_ratio: float) -> None:
    from sklearn.linear_model import ElasticNet, Ridge

    x = random_matrix(seed=1).astype(float)
    model = SLIM(alpha=alpha, l1_ratio=l1_ratio, neighbours=None, epochs=1000, tolerance=1e-6)
    weights = model.fit(of_matrix(x), OPTIONS).scorer_.weights.toarray()
    kind = {"fit_intercept": False, "positive": True, "tol": 1e-10}
    for j in range(x.shape[1]):
        others = x.copy()
        others[:, j] = 0
        if l1_ratio:
            peer = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, max_iter=10_000, **kind)
        else:  # which scikit-learn's ElasticNet does not do
            peer = Ridge(alpha=alpha * len(x), solver="lbfgs", **kind)
        expected = peer.fit(others, x[:, j]).coef_
        np.testing.assert_allclose(weights[:, j], expected, atol=2e-5)


def test_slim_spans_blocks_of_targets_and_keeps_the_largest_weights_of_each() -> None:
    x = random_matrix(seed=2, shape=(80, 600))
    settings = {"alpha": 0.01, "l1_ratio": 0.1, "epochs": 5, "tolerance": 0.1}
    full = SLIM(neighbours=None, **settings).fit(of_matrix(x), OPTIONS).scorer_.weights.toarray()
    pruned = SLIM(neighbours=4, **settings).fit(of_matrix(x), OPTIONS).scorer_.weights.toarray()
    assert (full >= 0).all()
    assert (np.diag(full) == 0).all()
    assert ((pruned > 0).sum(axis=0) <= 4).all()
    assert (pruned[pruned > 0] == full[pruned > 0]).all()
    np.testing.assert_allclose(pruned.max(axis=0), full.max(axis=0))


def test_slim_stops_at_the_epochs_given_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    past = of_matrix(random_matrix())
    SLIM(alpha=0.001, epochs=1, tolerance=1e-9).fit(past, OPTIONS)
    assert "items had not converged after 1 sweeps" in caplog.text


# rp3beta


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.7, 0.6), (1.5, 1.0)])
@pytest.mark.parametrize("normalize", [False, True])
def test_rp3beta_is_a_walk_of_two_steps_from_an_item(
    alpha: float, beta: float, normalize: bool
) -> None:
    x = random_matrix(seed=5).astype(float)
    model = RP3Beta(neighbours=None, alpha=alpha, beta=beta, normalize=normalize)
    weights = model.fit(of_matrix(x), OPTIONS).scorer_.weights.toarray()
    to_items = np.where(x > 0, (x / x.sum(axis=1, keepdims=True)) ** alpha, 0)
    to_users = np.where(x > 0, (x / x.sum(axis=0)) ** alpha, 0).T
    expected = to_users @ to_items / x.sum(axis=0) ** beta
    np.fill_diagonal(expected, 0)
    if normalize:
        expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_rp3beta_keeps_the_likeliest_ends_of_each_item_then_the_largest_of_each_target() -> None:
    x = random_matrix(seed=6)
    settings = {"alpha": 1.0, "beta": 0.5, "normalize": False}
    full = RP3Beta(neighbours=None, **settings).fit(of_matrix(x), OPTIONS).scorer_.weights
    kept = RP3Beta(neighbours=3, **settings).fit(of_matrix(x), OPTIONS).scorer_.weights
    expected = full.toarray()
    expected[expected < np.sort(expected, axis=1)[:, [-3]]] = 0
    expected[expected < np.sort(expected, axis=0)[[-3]]] = 0
    np.testing.assert_allclose(kept.toarray(), expected)


def test_old_items_of_a_history_count_less_with_decay() -> None:
    past = of_matrix(GOLDEN)
    asked = Histories.from_lists(past.catalogue, [["i0000", "i0003"]])
    for model in (EASE(l2=1, step_decay=0.5), RP3Beta(step_decay=0.5), SLIM(step_decay=0.5)):
        weights = model.fit(past, OPTIONS).scorer_.weights
        dense = weights if isinstance(weights, np.ndarray) else weights.toarray()
        expected = 0.5 * dense[0] + dense[3]
        np.testing.assert_allclose(model.score(asked)[0], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", [EASE, SLIM, RP3Beta])
def test_a_half_life_needs_timestamps(kind: type) -> None:
    bare = Histories.from_lists(Catalogue(np.array(["a", "b"])), [["a", "b"]])
    with pytest.raises(DataError, match="half_life_days=3 needs timestamps"):
        kind(half_life_days=3).fit(bare, OPTIONS)


# published figures


@pytest.mark.data
def test_the_movielens_figures_on_99_negatives_are_reached(
    real_data: Callable[[str], Path],
) -> None:
    """HR@10 and NDCG@10: leave-last-out, 1 positive and 99 negatives (He et al., WWW 2017).

    The figures are those of Ferrari Dacrema et al., "A Troubling Analysis of Reproducibility and
    Progress in Recommender Systems Research", TOIS 2021, appendix.
    """
    import pandas as pd

    folder = real_data("movielens_1m")
    pairs = pd.read_parquet(folder / "pairs.parquet")
    order = pd.read_parquet(folder / "sequences.parquet").sort_values(["user_id", "position"])
    films = np.unique(pairs["movie_id"])
    n_users, n_films = pairs["user_id"].max(), len(films)  # users are 1 ... 6040
    last = order.groupby("user_id")["movie_id"].last().to_numpy()
    target = np.searchsorted(films, last)
    taken = np.zeros((n_users, n_films), dtype=bool)
    taken[pairs["user_id"] - 1, np.searchsorted(films, pairs["movie_id"])] = True
    chance = np.where(taken, -1.0, np.random.default_rng(0).random(taken.shape))
    negatives = np.argpartition(-chance, 99, axis=1)[:, :99]
    candidates = np.column_stack([target, negatives])
    taken[np.arange(n_users), target] = False
    past = of_matrix(taken)
    expected = [
        (EASE(l2=1300), 0.7192, 0.4494),
        (RP3Beta(neighbours=100, alpha=0.7, beta=0.6), 0.6758, 0.4011),
    ]
    for model, hit_rate, ndcg in expected:
        scores = model.fit(past, OPTIONS).score(past)
        scores = np.take_along_axis(scores, candidates, axis=1)
        ranks = (scores >= scores[:, :1]).sum(axis=1)  # ties count against the model
        assert (ranks <= 10).mean() > hit_rate - 0.01
        assert np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0).mean() > ndcg - 0.01
