from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.seeding import hash_ids
from growthlab.scorers.neighbourhood import Neighbourhood


def near(x: np.ndarray, neighbours: int, names: list[str]) -> np.ndarray:
    rows = csr_matrix(x.astype(np.float32))
    keys = hash_ids(names)
    nearest = Neighbourhood(neighbours=neighbours)
    sources = nearest.sources(rows, keys)
    result = nearest.of(rows, sources, own=np.arange(len(x)), target_keys=keys)
    return result.toarray()


def test_ties_at_the_border_keep_exactly_the_requested_number() -> None:
    result = near(np.ones((9, 4)), 3, list("abcdefghi"))
    assert (result > 0).sum(axis=1).tolist() == [3] * 9
    assert (np.diag(result) == 0).all()


def test_ties_are_chosen_by_names_not_by_places() -> None:
    names = list("abcdefghi")
    order = np.random.default_rng(0).permutation(9)
    result = near(np.ones((9, 4)), 3, names)
    shuffled = near(np.ones((9, 4)), 3, [names[i] for i in order])
    np.testing.assert_array_equal(shuffled, result[np.ix_(order, order)])


def test_ties_are_not_won_by_the_same_few_everywhere() -> None:
    result = near(np.ones((60, 4)), 5, [f"i{i}" for i in range(60)])
    assert (result > 0).any(axis=0).mean() > 0.9


def test_less_similar_than_the_border_is_dropped_and_more_similar_is_kept() -> None:
    x = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    # cosines with the first row: sqrt(3)/2, sqrt(2)/2, 1/2, 1/2
    kept = near(x, 2, list("abcde"))[0]
    np.testing.assert_allclose(kept, [0, np.sqrt(3) / 2, np.sqrt(2) / 2, 0, 0], rtol=1e-6)
