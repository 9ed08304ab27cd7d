"""Pairs of items that few customers share leave no trace in the weights."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Catalogue, Histories
from growthlab.models.co_counts import without_rare_pairs
from growthlab.models.recommend.ease import EASE
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.models.recommend.rp3beta import RP3Beta
from growthlab.models.recommend.slim import SLIM
from growthlab.training.fit_options import FitOptions


@pytest.fixture
def past() -> Histories:
    """a and b are shared by three users, b and c by two, a and c by the first of these."""
    lists = [["a", "b", "c"], ["a", "b"], ["a", "b"], ["b", "c"]]
    return Histories.from_lists(Catalogue(np.array(["a", "b", "c"])), lists)


def test_a_pair_of_too_few_customers_is_left_out(past):
    weights = np.arange(1, 10, dtype=np.float32).reshape(3, 3)
    np.fill_diagonal(weights, 0)
    expected = np.array([[0, 2, 0], [4, 0, 6], [0, 8, 0]], dtype=np.float32)
    np.testing.assert_array_equal(without_rare_pairs(weights, past, 2), expected)
    sparse = without_rare_pairs(csr_matrix(weights), past, 2)
    np.testing.assert_array_equal(sparse.toarray(), expected)
    assert sparse.nnz == 4
    assert without_rare_pairs(weights, past, 1) is weights


@pytest.mark.parametrize("new", [ItemKNN, EASE, RP3Beta, SLIM])
def test_no_weight_rests_on_fewer_customers_than_the_minimum(new, past):
    def weights(least: int) -> np.ndarray:
        scorer = new(min_co_count=least).fit(past, FitOptions()).scorer_
        return np.asarray(getattr(scorer.weights, "toarray", lambda: scorer.weights)())

    every, kept = weights(1), weights(3)
    assert every[0, 1] != 0
    assert np.count_nonzero(kept) <= 2
    np.testing.assert_array_equal(kept[[0, 1], [1, 0]], every[[0, 1], [1, 0]])


def test_less_than_one_customer_is_refused():
    with pytest.raises(ConfigError, match=r"model\.min_co_count must be at least 1, got 0"):
        ItemKNN(min_co_count=0)
